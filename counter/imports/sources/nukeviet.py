"""NukeViet: the table of its statistics, and the hits of its news. Pure.

The shape is that of `install/data.php` and `modules/news/action_mysql.php` of NukeViet 4 and 5.
`PREFIX_counter` has the total under `total/hits`, and of the current month each day under `day/01` to
`day/31`, with the instant of its last count; a day whose count is 0 belongs to another month. Its unit is
the visit. The hits of articles are in `PREFIX_LANGUAGE_MODULE_rows`, and the aliases of their categories in
`…_cat`.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

from counter.errors import InvalidInputError
from counter.imports.records import Balance, Day, Page, Record, Row
from counter.imports.sources.tables import Kind, instant_of, number_of, text_of
from counter.sites.model import Site

_NEWS = r"(?P<prefix>.+?)_(?P<language>[a-z]{2})_(?P<module>\w+?)"


class Article(NamedTuple):
    """An article of the news, until the alias of its category is known."""

    table: str
    category: str
    alias: str
    id: str
    hits: int


class NukeViet:
    """Reads `_counter`, and `_rows` and `_cat` of the news.

    Args:
        language: counts of this language alone.
        page_path: how an article's path is made of {language}, {module}, {category}, {alias} and {id}.
    """

    title: ClassVar[str] = "NukeViet"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "counter": Kind(r"(?P<prefix>.+)_counter", frozenset(("c_type", "c_val", "last_update", "c_count"))),
        "news": Kind(_NEWS + "_rows", frozenset(("id", "catid", "alias", "hitstotal"))),
        "category": Kind(_NEWS + "_cat", frozenset(("catid", "parentid", "alias"))),
    }

    def __init__(self, site: Site, language: str | None = None, page_path: str | None = None) -> None:
        self._span_of = site.span_of
        self._language = language
        self._page_path = page_path
        self._articles: list[Article] = []
        self._categories: dict[tuple[str, str], str] = {}

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row."""
        if kind == "counter":
            yield from self._count(row)
        elif self._language in {None, *_words_of(row.table)[:1]} or not row.table:
            table = row.table.rpartition("_")[0]
            if kind == "category":
                self._categories[table, text_of(row, "catid")] = text_of(row, "alias")
            elif hits := number_of(row, "hitstotal"):
                category, alias, number = (text_of(row, name) for name in ("catid", "alias", "id"))
                self._articles.append(Article(table, category, alias, number, hits))

    def _count(self, row: Row) -> Iterable[Record]:
        column = f"{self._language}_count" if self._language else "c_count"
        if column not in row.values:
            raise InvalidInputError(f"there is no column {column}")
        name = (row.values["c_type"], row.values["c_val"])
        if name == ("total", "hits"):
            yield Balance(visits=number_of(row, column), whole=True)
        elif name[0] == "day" and (visits := number_of(row, column)):
            day = self._span_of(instant_of(row, "last_update")).day
            if f"{day.day:02}" != name[1]:
                raise InvalidInputError(
                    f"day {name[1]} was last counted on {day}; is the time zone of the site that of NukeViet?"
                )
            yield Day(day, visits=visits)

    def finish(self) -> Iterable[Record]:
        """Tell the views of articles."""
        languages = {_words_of(article.table)[0] for article in self._articles if article.table}
        usual = "/{module}/{category}/{alias}-{id}.html"
        path = self._page_path or ("/{language}" + usual if len(languages) > 1 else usual)
        for article in self._articles:
            language, module = _words_of(article.table)
            category = self._categories.get((article.table, article.category), "")
            if "{category}" in path and not category:
                category = "no-category"
            parts = {
                "language": language, "module": module, "category": category, "alias": article.alias,
                "id": article.id,
            }  # fmt: skip
            made = path
            for name, part in parts.items():
                made = made.replace(f"{{{name}}}", part)
            yield Page(made, article.hits)


def _words_of(table: str) -> tuple[str, str]:
    """Return language and module of `PREFIX_LANGUAGE_MODULE…`; `news` where no table is named."""
    words = table.split("_")
    at = next((place for place, word in enumerate(words) if place and len(word) == 2), 0)  # noqa: PLR2004
    return (words[at], words[at + 1]) if at and len(words) > at + 1 else ("vi", "news")
