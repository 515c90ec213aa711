"""What of a log counts, in which order, and how its file is read."""

import asyncio
import gzip
import itertools
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.buckets.batch import Hit, Kind
from counter.errors import ImportFileError
from counter.imports.chooser import Chooser
from counter.imports.file import LogFile
from counter.imports.logs import MAX_LINE_BYTES, LoggedRequest
from counter.imports.order import batches, in_order
from counter.imports.plan import Options, Plan
from counter.imports.tally import Tally
from counter.imports.visitors import DailyVisitors
from counter.sites.model import Site, SiteSettings, calendar_of

SETTINGS = SiteSettings()
SITE = Site(1, "portal", enabled=True, settings=SETTINGS, span_of=calendar_of(SETTINGS))
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
SEEN = LoggedRequest("192.0.2.1", 1_431_857_103_000, "GET", "/a", 200, PERSON)


def choose(options: Options = Options(), **changes: object) -> Hit | str:  # noqa: B008 - it is frozen
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
    assert (found.path if isinstance(found, Hit) else found) == outcome


@pytest.mark.parametrize("target", ["", "*", "-", "/\udcff", "/" + "a" * 3000, "CONNECT"])
def test_all_requests_count_also_without_a_path(target: str) -> None:
    """With `all`, nothing is left out; what names no page is `(other)`."""
    found = choose(Options("all"), target=target, method="POST", status=500)
    assert isinstance(found, Hit)
    assert found.path == "(other)"


def test_bots_are_apart_among_people_or_out() -> None:
    """A bot counts as is asked; a log that tells no agents has only people."""
    for agent in ("Googlebot/2.1 (+http://www.google.com/bot.html)", ""):
        kinds = [choose(Options("pages", bots), agent=agent) for bots in ("apart", "in", "skip")]
        assert [each.kind if isinstance(each, Hit) else each for each in kinds] == [
            Kind.BOT, Kind.VIEW, "by a bot",
        ]  # fmt: skip
    unknown = choose(agent=None)
    assert isinstance(unknown, Hit)
    assert unknown.kind is Kind.VIEW


def test_visitors_are_told_apart_as_live() -> None:
    """Address (of IPv6 its /64) and agent make a visitor; a host name stands for an address."""
    seen = [
        choose(client=client)
        for client in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "a.example", "abcd")
    ]
    ids = [hit.visitor for hit in seen if isinstance(hit, Hit)]
    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 4
    assert ids[0] != choose(agent=PERSON + "x").visitor  # type: ignore[union-attr]
    assert choose(client="97.98.99.100").visitor != ids[5]  # type: ignore[union-attr]


def hits_at(*times: int) -> list[Hit]:
    return [Hit(SITE, at_ms, Kind.VIEW, f"/{number}") for number, at_ms in enumerate(times)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 50)), st.integers(1, 20))
def test_window_puts_hits_in_order(times: list[int], window: int) -> None:
    """None is lost, equals keep their order, and all are in order if none comes later than the window."""
    hits = hits_at(*times)
    found = list(in_order(hits, window))
    assert sorted(hit.path for hit in found) == sorted(hit.path for hit in hits)
    by_time = sorted(hits, key=lambda hit: hit.at_ms)
    late = max((hits.index(hit) - by_time.index(hit) for hit in hits), default=0)
    if late < window:
        assert found == by_time


def test_batches_are_the_same_each_time() -> None:
    """A token stands for the same hits in every run."""
    assert [len(batch) for batch in batches(hits_at(*range(25)), 10)] == [10, 10, 5]
    assert list(batches([], 10)) == []


def test_hits_far_out_of_order_are_told() -> None:
    """Beyond a minute, the order matters, so it is said."""
    tally = Tally()
    assert len(list(tally.watch(hits_at(100_000, 40_000, 39_999, 200_000)))) == 4
    assert tally.late == 1


def test_visitors_are_exact_while_few_and_in_order() -> None:
    """Days in order have exact figures; one with too many, or that comes again, has none."""
    daily = DailyVisitors(most=2)
    first, second, third = date(2015, 5, 17), date(2015, 5, 18), date(2015, 5, 19)
    for day, visitors in ((first, "aabb"), (second, "abcab"), (third, "a")):
        for visitor in visitors:
            daily.note(day, visitor.encode())
    assert daily.days == {first: 2, second: None, third: 1}
    daily.note(first, b"c")
    assert daily.days == {first: None, second: None, third: 1}


async def read_twice(path: Path, imported: dict[int, set[str]] | None = None) -> list[bytes]:
    file = LogFile(path)
    return list(file.lines(await file.survey(imported or {})))


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


async def test_file_that_grows_meanwhile_is_read_as_it_was(tmp_path: Path) -> None:
    """A log that is being written is imported up to where it was; one that changed otherwise is refused."""
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo")
    file = LogFile(path)
    contents = await file.survey({})
    path.write_bytes(b"one\ntwo and a half\nthree\n")
    assert list(file.lines(contents)) == [b"one", b"two"]
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
    """The same file has the same rows; whatever counts otherwise is another attempt, in the same lane."""
    plans = [
        Plan(SITE, Options(*chosen), "d" * 64) for chosen in itertools.product(("pages", "all"), ("in",))
    ]
    assert {plan.generation for plan in plans} == {"import-" + "d" * 12}
    assert {plan.lane.lane for plan in plans} == {"import-" + "d" * 12 + "-portal"}
    assert len({plan.attempt for plan in plans}) == 2
    assert len({plan.salt for plan in plans}) == 1
    assert plans[0].salt != Plan(SITE, Options(), "e" * 64).salt
