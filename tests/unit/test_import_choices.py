"""What of a log counts, in which order, and how its file is read."""

import asyncio
import gzip
import itertools
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.errors import ImportFileError
from counter.imports.chooser import Chooser, Told
from counter.imports.file import BLOCK_BYTES, LogFile, cut_after, lines_of
from counter.imports.logs import MAX_LINE_BYTES, LoggedRequest
from counter.imports.order import Window
from counter.imports.plan import Options, Plan
from counter.imports.tally import Tally
from counter.imports.visitors import DailyVisitors, Seen
from counter.sites.model import Site, SiteSettings, calendar_of

SETTINGS = SiteSettings()
SITE = Site(1, "portal", enabled=True, settings=SETTINGS, span_of=calendar_of(SETTINGS))
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
SEEN = LoggedRequest("192.0.2.1", 1_431_857_103_000, "GET", "/a", 200, PERSON)


def choose(options: Options = Options(), **changes: object) -> Told | str:  # noqa: B008 - it is frozen
    return Chooser(Plan(SITE, options, "d" * 64)).choose(SEEN._replace(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "/a"),
        ({"target": "/a/index.html?utm=1"}, "/a"),
        ({"target": "http://portal.example/b"}, "/b"),
        ({"target": "/tin.tuc/js"}, "/tin.tuc/js"),
        ({"status": 304}, "/a"),
        ({"method": "HEAD"}, "not a GET"),
        ({"method": "POST"}, "not a GET"),
        ({"status": 404}, "no page was answered"),
        ({"status": 301}, "no page was answered"),
        ({"target": "/a/logo.PNG?v=2"}, "a file, no page"),
        ({"target": "/van-ban/quyet-dinh.pdf"}, "a file, no page"),
        ({"target": "*"}, "the path starts with a slash"),
        ({"target": ""}, "the path starts with a slash"),
        ({"target": "/" + "a" * 3000}, "the path is too long"),
        ({"target": "/\udcff"}, "the path has characters that no URL has"),
    ],
)
def test_pages_are_what_a_person_saw(changes: dict[str, object], outcome: str) -> None:
    """Counted is what would have counted live: a page that was shown. Everything else says why not."""
    found = choose(**changes)
    assert (found if isinstance(found, str) else found[2]) == outcome


@pytest.mark.parametrize("target", ["", "*", "-", "/\udcff", "/" + "a" * 3000, "CONNECT"])
def test_all_requests_count_also_without_a_path(target: str) -> None:
    """With `all`, nothing is left out; what names no page is `(other)`."""
    found = choose(Options("all"), target=target, method="POST", status=500)
    assert found[2] == "(other)"


def test_bots_are_apart_among_people_or_out() -> None:
    """A bot counts as is asked; a log that tells no agents has only people."""
    for agent in ("Googlebot/2.1 (+http://www.google.com/bot.html)", ""):
        apart, among, out = (choose(Options("pages", bots), agent=agent) for bots in ("apart", "in", "skip"))
        assert apart == (SEEN.at_ms, None, "")
        assert among[1:] == (visitor_of(agent=agent, options=Options("pages", "in")), "/a")
        assert out == "by a bot"
    assert visitor_of(agent=None)


def test_visitors_are_told_apart_as_live() -> None:
    """Address (of IPv6 its /64) and agent make a visitor; a host name stands for an address."""
    ids = [
        visitor_of(client=client)
        for client in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "a.example", "abcd")
    ]
    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 4
    assert ids[0] != visitor_of(agent=PERSON + "x")
    assert visitor_of(client="97.98.99.100") != ids[5]


def visitor_of(options: Options = Options(), **changes: object) -> bytes:  # noqa: B008 - it is frozen
    visitor = choose(options, **changes)[1]
    assert isinstance(visitor, bytes)
    return visitor


def hits_at(*times: int) -> list[Told]:
    return [(at_ms, b"visitor", f"/{number}") for number, at_ms in enumerate(times)]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 50))), st.integers(1, 20))
def test_window_puts_hits_in_order(times: list[list[int]], most: int) -> None:
    """None is lost, equals keep their order, and all are in order if none comes later than the window."""
    window = Window(most)
    hits = hits_at(*itertools.chain.from_iterable(times))
    rest, found = iter(hits), []
    for part in times:
        found += window.take(list(itertools.islice(rest, len(part))))
    found += window.rest()
    assert sorted(found) == sorted(hits)
    by_time = sorted(hits, key=lambda hit: hit[0])
    late = max((hits.index(hit) - by_time.index(hit) for hit in hits), default=0)
    if late < most:
        assert found == by_time


def test_hits_far_out_of_order_are_told() -> None:
    """Beyond a minute, the order matters, so it is said."""
    tally = Tally()
    for hits in ([], hits_at(100_000), hits_at(39_999, 40_000, 200_000), hits_at(139_000, 139_999)):
        tally.watch(hits)
    assert tally.late == 3


def test_visitors_are_exact_while_few_and_in_order() -> None:
    """Days in order have exact figures; one with too many, or that comes again, has none."""
    daily = DailyVisitors(most=2)
    first, second, third = date(2015, 5, 17), date(2015, 5, 18), date(2015, 5, 19)
    for day, visitors in ((first, "aabb"), (second, "abcab"), (third, "a")):
        for visitor in visitors:
            daily.note(day, [visitor.encode()])
    assert daily.days == {first: 2, second: None, third: 1}
    assert daily.due() == [
        Seen(first, [b"a", b"b"]), Seen(second, [b"a", b"b", b"c"]), Seen(second, [b"a", b"b"]),
    ]  # fmt: skip
    daily.note(first, [b"c"])
    assert daily.days == {first: None, second: None, third: 1}
    assert daily.rest() == [Seen(third, [b"a"]), Seen(first, [b"c"])]
    assert daily.rest() == []


async def read_twice(path: Path, imported: dict[int, set[str]] | None = None) -> list[bytes]:
    file = LogFile(path)
    return [line for lines in file.lines(await file.survey(imported or {})) for line in lines]


async def test_packed_and_plain_are_the_same_file(tmp_path: Path) -> None:
    """The digest is that of the content, whatever the packing; packed files may follow each other."""
    plain, packed = tmp_path / "a.log", tmp_path / "b"
    plain.write_bytes(b"one\ntwo\r\nthree")
    packed.write_bytes(gzip.compress(b"one\ntw") + gzip.compress(b"o\r\nthree"))
    assert await LogFile(plain).survey({}) == await LogFile(packed).survey({})
    assert await read_twice(plain) == await read_twice(packed) == [b"one", b"two", b"three"]


async def test_long_line_is_cut_and_does_not_eat_the_next(tmp_path: Path) -> None:
    """A line of any length takes bounded memory."""
    path = tmp_path / "long.log"
    path.write_bytes(b"a\n" + b"x" * 300_000 + b"\nb\n\nc")
    assert await read_twice(path) == [b"a", b"x" * MAX_LINE_BYTES, b"b", b"", b"c"]
    path.write_bytes(b"y" * MAX_LINE_BYTES + b"\nb")
    assert await read_twice(path) == [b"y" * MAX_LINE_BYTES, b"b"]
    path.write_bytes(b"z" * (3 * BLOCK_BYTES) + b"\r\nb\r\n")
    assert await read_twice(path) == [b"z" * MAX_LINE_BYTES, b"b"]


@settings(deadline=None)
@given(st.binary(), st.integers(1, 9), st.sets(st.integers(0, 5)))
def test_any_content_is_cut_into_its_lines(content: bytes, size: int, known: set[int]) -> None:
    """However the blocks fall, the lines are those of the content, and so are the pieces that are digested."""
    blocks = [content[first : first + size] for first in range(0, len(content), size)]
    expected = content.split(b"\n")
    expected = expected[:-1] if expected[-1] == b"" else expected
    assert list(itertools.chain.from_iterable(lines_of(blocks))) == [line.rstrip(b"\r") for line in expected]
    pieces = list(cut_after(content, known))
    assert b"".join(pieces) == content
    ends = set(itertools.accumulate(piece.count(b"\n") for piece in pieces))
    assert {number for number in known if 0 < number <= content.count(b"\n")} <= ends


async def test_file_that_grows_meanwhile_is_read_as_it_was(tmp_path: Path) -> None:
    """A log that is being written is imported up to where it was; one that changed otherwise is refused."""
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo")
    file = LogFile(path)
    contents = await file.survey({})
    path.write_bytes(b"one\ntwo and a half\nthree\n")
    assert list(file.lines(contents)) == [[b"one"], [b"two"]]
    for changed in (b"one\ntoo", b"one\n", b""):
        path.write_bytes(changed)
        with pytest.raises(ImportFileError, match="has changed"):
            list(file.lines(contents))


async def test_file_that_grew_since_its_import_is_refused(tmp_path: Path) -> None:
    """A log that begins with one that is in already would count twice."""
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\n")
    contents = await LogFile(path).survey({})
    known = {contents.lines: {contents.digest}}
    assert await LogFile(path).survey(known) == contents
    path.write_bytes(b"one\ntwo\nthr")
    with pytest.raises(ImportFileError, match="begins with 2 lines that were imported"):
        await LogFile(path).survey(known)
    path.write_bytes(b"one\ntoo\nthree\n")
    await LogFile(path).survey(known)


async def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """A damaged or missing file is one clear line."""
    packed = gzip.compress(b"one\n" * 10_000)
    for number, content in enumerate((packed[:-20], packed[:20] + b"\0" * 30, b"\x1f\x8bnonsense")):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(content)
        with pytest.raises(ImportFileError, match="cannot be read"):
            await LogFile(path).survey({})
    with pytest.raises(ImportFileError, match="no regular file"):
        await LogFile(tmp_path / "missing").survey({})


async def test_survey_lets_others_run(tmp_path: Path) -> None:
    """Ctrl-C is heard while a large file is read."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x\n" * 100_000)
    task = asyncio.create_task(LogFile(path).survey({}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_plan_names_follow_from_the_content() -> None:
    """The same file has the same rows, however it is counted, and nobody who has not the file its salt."""
    plans = [
        Plan(SITE, Options(*chosen), "d" * 64) for chosen in itertools.product(("pages", "all"), ("in",))
    ]
    assert {plan.generation for plan in plans} == {"import-" + "d" * 12}
    assert len({plan.salt for plan in plans}) == 1
    assert plans[0].salt != Plan(SITE, Options(), "e" * 64).salt
