r"""Dumps of MySQL and MariaDB, read piece by piece. Pure.

As `mysqldump`, phpMyAdmin, Navicat and the backups of content management systems write them: rows in
`INSERT` or `REPLACE` with one or many tuples, columns named there or in `CREATE TABLE`, strings with
backslash escapes (https://dev.mysql.com/doc/refman/8.0/en/string-literals.html). Other statements, and
tables that nobody wants, are passed over; no value takes more than 64 kB of memory.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from counter.imports.records import Bad, Row

MOST_CHARACTERS: Final = 65_536
"""Longer values are cut: nothing that counts is so long."""
MOST_VALUES: Final = 4096

_PLAIN: Final = re.compile(r"[^\s'\"`(),;#/\-]++")
_SPACE: Final = re.compile(r"\s++")
_LINE: Final = re.compile(r"[^\n]*+")
_IN_BLOCK: Final = re.compile(r"[^*]*+")
_UNQUOTED: Final = re.compile(r"[^'\"`;#/\-]++")
_IN: Final = {quote: re.compile(rf"(?:[^{quote}\\]++|\\.)++", re.DOTALL) for quote in "'\""} | {
    "`": re.compile(r"[^`]++")
}
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPES: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}
_NO_COLUMNS: Final = frozenset(
    ("KEY", "PRIMARY", "UNIQUE", "INDEX", "CONSTRAINT", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "PERIOD")
)


class Token(NamedTuple):
    """A piece of SQL: a word or a sign as `word`, a string, a name in backticks, or the end."""

    kind: str
    text: str


END: Final = Token("end", "")


class Scanner:
    """Cuts SQL into tokens.

    Attributes:
        line: the number of the line where it stands, from 1.
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        self.line = 1
        self._pieces = iter(pieces)
        self._text = ""
        self._at = 0

    def next(self) -> Token:
        """Return the next token; comments and space are none."""
        while self._more():
            character = self._text[self._at]
            if character.isspace():
                self._take(_SPACE)
            elif character in _IN:
                return self._quoted(character)
            elif self._skip_comment(character):
                continue
            elif found := self._take(_PLAIN):
                return Token("word", self._rest_of_word(found))
            else:
                self._at += 1
                return Token("word", character)
        return END

    def skip_statement(self) -> None:
        """Go behind the next semicolon that is in no string and no comment."""
        while self._more():
            character = self._text[self._at]
            if character == ";":
                self._at += 1
                return
            if character in _IN:
                self._quoted(character, keep=0)
            elif not self._skip_comment(character) and not self._take(_UNQUOTED):
                self._at += 1

    def _rest_of_word(self, found: str) -> str:
        while self._at == len(self._text) and self._more() and len(found) < MOST_CHARACTERS:
            found += self._take(_PLAIN) or ""
            if self._at < len(self._text):
                break
        return found

    def _more(self, ahead: int = 1) -> bool:
        """Have some more characters at hand, if there are any."""
        while len(self._text) - self._at < ahead:
            piece = next(self._pieces, None)
            if piece is None:
                return self._at < len(self._text)
            self._text = self._text[self._at :] + piece
            self._at = 0
        return True

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if not found:
            return ""
        self._at = found.end()
        self.line += found[0].count("\n")
        return found[0]

    def _skip_comment(self, character: str) -> bool:
        if character not in "-#/":
            return False
        self._more(3)
        ahead = self._text[self._at : self._at + 3]
        if ahead[:2] == "/*":
            self._at += 2
            self._skip_block()
            return True
        if character == "#" or (ahead[:2] == "--" and (len(ahead) == 2 or ahead[2].isspace())):  # noqa: PLR2004
            self._skip_line()
            return True
        return False

    def _skip_line(self) -> None:
        while self._more():
            self._take(_LINE)
            if self._at < len(self._text):
                return

    def _skip_block(self) -> None:
        while self._more(2):
            self._take(_IN_BLOCK)
            self._more(2)  # a star may end the piece that is at hand
            ahead = self._text[self._at : self._at + 2]
            self._at += 2 if ahead == "*/" else ahead.startswith("*")
            if ahead == "*/":
                return

    def _quoted(self, quote: str, keep: int = MOST_CHARACTERS) -> Token:
        """Take a quoted text, of which some characters are kept; without its end it is none."""
        self._at += 1
        kept: list[str] = []
        while self._more():
            if found := self._take(_IN[quote]):
                if keep > 0:
                    kept.append(_unescape(found[:keep]) if "\\" in found and quote != "`" else found[:keep])
                keep -= len(found)
                continue
            self._more(2)
            pair = self._text[self._at : self._at + 2]
            if pair == quote or (pair[0] == quote and pair[1] != quote):
                self._at += 1
                return Token("name" if quote == "`" else "string", "".join(kept))
            self._at += len(pair)
            self.line += pair.count("\n")
            kept.append(_ESCAPES.get(pair[1:], pair[1:]) if keep > 0 else "")
            keep -= 1
        return END


def read_dump(pieces: Iterable[str], file: str, wants: Callable[[str], bool]) -> Iterator[Row | Bad]:
    """Yield the rows of those tables that are wanted.

    Args:
        pieces: the dump's text, cut anywhere.
        file: its name.
        wants: tells by a table's name.
    """
    scanner = Scanner(pieces)
    columns: dict[str, list[str]] = {}
    while (token := scanner.next()) != END:
        verb = token.text.upper() if token.kind == "word" else ""
        if verb in {"INSERT", "REPLACE"}:
            yield from _read_insert(scanner, file, wants, columns)
        elif verb == "CREATE":
            _read_create(scanner, wants, columns)
        elif verb != ";":
            scanner.skip_statement()


def _read_name(scanner: Scanner, passing: frozenset[str]) -> tuple[str, Token]:
    """Return the name of a table behind some words, without its database's, and the token after it."""
    token = scanner.next()
    while token.kind == "word" and token.text.upper() in passing:
        token = scanner.next()
    name, token = token.text, scanner.next()
    if token.text.startswith(".") and token.kind == "word":
        name, token = token.text[1:], scanner.next()
        if not name:
            name, token = token.text, scanner.next()
    return name.rpartition(".")[2], token


_BEFORE_TABLE: Final = frozenset(("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"))
_BEFORE_CREATED: Final = frozenset(("TABLE", "TEMPORARY", "IF", "NOT", "EXISTS"))


def _read_create(scanner: Scanner, wants: Callable[[str], bool], columns: dict[str, list[str]]) -> None:
    token = scanner.next()
    if token.kind == "word" and token.text.upper() in {"TABLE", "TEMPORARY"}:
        name, token = _read_name(scanner, _BEFORE_CREATED)
        if token.text == "(" and wants(name):
            columns[name] = _read_columns(scanner)
    if token.text != ";" or token.kind != "word":
        scanner.skip_statement()


def _read_columns(scanner: Scanner) -> list[str]:
    """Read what `CREATE TABLE` names, up to the bracket that closes it."""
    names: list[str] = []
    depth, first = 1, True
    while depth and (token := scanner.next()) != END:
        sign = token.text if token.kind == "word" else ""
        if first and (token.kind == "name" or sign.upper() not in _NO_COLUMNS):
            names.append(token.text)
        first = sign == "," and depth == 1
        depth += (sign == "(") - (sign == ")")
    return names[:MOST_VALUES]


def _read_insert(
    scanner: Scanner, file: str, wants: Callable[[str], bool], columns: dict[str, list[str]]
) -> Iterator[Row | Bad]:
    name, token = _read_name(scanner, _BEFORE_TABLE)
    if not wants(name):
        if token.text != ";" or token.kind != "word":
            scanner.skip_statement()
        return
    named = columns.get(name, [])
    if token.text == "(":
        named = [value or "" for value in _read_tuple(scanner)[0]]
        token = scanner.next()
    if token.kind != "word" or token.text.upper() not in {"VALUES", "VALUE"}:
        yield Bad(file, scanner.line, "an INSERT that has no VALUES")
        scanner.skip_statement()
        return
    if not named:
        yield Bad(file, scanner.line, f"nothing tells the columns of {name}; dump it with its structure")
        scanner.skip_statement()
        return
    yield from _read_rows(scanner, file, name, named)


def _read_rows(scanner: Scanner, file: str, name: str, named: list[str]) -> Iterator[Row | Bad]:
    while (token := scanner.next()) != END:
        line = scanner.line
        if token.text == "(" and token.kind == "word":
            values, closed = _read_tuple(scanner)
            if not closed:
                yield Bad(file, line, f"a row of {name} has no end")
            elif len(values) != len(named):
                yield Bad(file, line, f"{len(values)} values for the {len(named)} columns of {name}")
            else:
                yield Row(file, name, line, dict(zip(named, values, strict=True)))
        elif token == Token("word", ";"):
            return
        elif token.text.upper() == "ON":
            scanner.skip_statement()
            return
        elif token != Token("word", ","):
            yield Bad(file, line, f"no row of {name} begins so")
            scanner.skip_statement()
            return
    yield Bad(file, scanner.line, f"the dump ends within the rows of {name}")


def _read_tuple(scanner: Scanner) -> tuple[list[str | None], bool]:
    """Read values up to the bracket that closes them; tell whether there was one."""
    values: list[str | None] = []
    string: str | None = None
    words: list[str] = []
    depth = 1
    while (token := scanner.next()) != END:
        sign = token.text if token.kind == "word" else ""
        depth += (sign == "(") - (sign == ")")
        if not depth or (sign == "," and depth == 1):
            if len(values) < MOST_VALUES:
                values.append(_value(string, words))
            string, words = None, []
            if not depth:
                return values, True
        elif token.kind == "word":
            words.append(sign)
            del words[MOST_VALUES:]
        else:
            string = token.text
    return values, False


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), text)


def _value(string: str | None, words: list[str]) -> str | None:
    """Return the text of a value: a string, whatever introduces it, a number or a word; None for NULL."""
    if string is not None:
        return string
    text = "".join(words)
    return None if text.upper() == "NULL" else text
