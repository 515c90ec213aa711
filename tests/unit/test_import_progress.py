"""How far an import is, as bytes and on disk: going on comes to the same as never having stopped."""

import asyncio
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import ImportFileError
from counter.imports.order import Window
from counter.imports.parsing import Parsed, ReadersGoneError, after, chunks, parse_all
from counter.imports.plan import Options, Plan
from counter.imports.progress import EVERY_MS, FORM, KEPT_MS, Keeper, name_of
from counter.imports.state import State, pack, unpack
from counter.imports.visitors import Sketch
from counter.sites.model import Site, SiteSettings, calendar_of

SETTINGS = SiteSettings(time_zone="UTC", page_cap=3)
SITE = Site(1, "old", enabled=True, settings=SETTINGS, span_of=calendar_of(SETTINGS))
PLAN = Plan(SITE, Options("all"), "ab" * 32)
HEAD = b"#Fields: date time cs-method cs-uri-stem c-ip cs(User-Agent) sc-status"


@st.composite
def logs(draw: Callable[[Any], Any]) -> list[bytes]:
    """Lines of W3C of some days and people, with bots, malformed ones and such as are far too late."""
    lines, second = [HEAD], 0
    for _ in range(draw(st.integers(1, 60))):
        second += draw(st.sampled_from((0, 1, 50, 2000, 40_000)))
        at = max(0, second - draw(st.sampled_from((0, 0, 0, 5, 100_000))))
        if draw(st.integers(0, 9)) == 0:
            lines.append(draw(st.sampled_from((b"", b"192.0.2.1 junk", b"\xff\xfe", b"#Remark: x", HEAD))))
            continue
        day, rest = divmod(at, 86_400)
        agent = draw(st.sampled_from((b"Mozilla/5.0+(X11)", b"Googlebot/2.1")))
        time = b"%02d:%02d:%02d" % (rest // 3600, rest // 60 % 60, rest % 60)
        page, person = draw(st.integers(0, 5)), draw(st.integers(1, 4))
        lines.append(b"2015-05-%02d %b GET /%d 192.0.2.%d %b 200" % (day + 1, time, page, person, agent))
    return lines


def in_lists(lines: list[bytes], size: int) -> list[list[bytes]]:
    return [lines[first : first + size] for first in range(0, len(lines), size)]


def begun(window: int = 4) -> State:
    """A state that holds few hits back, so that some are too late."""
    state = State(SITE)
    state.window = Window(window)
    return state


async def count(state: State, pieces: Any, until: int | None = None) -> State:
    """Count chunks until so many lines are done, or all."""
    async for chunk in parse_all(pieces, PLAN):
        if until is not None and state.tally.lines >= until:
            return state
        state.take(chunk)
    state.finish()
    return state


def told(state: State) -> tuple[Any, ...]:
    """Everything that a state comes to."""
    return state.tally, state.counts.days, state.counts.visitors.days, state.due, state.window.held


@given(lines=logs(), size=st.integers(1, 7), data=st.data())
def test_going_on_comes_to_the_same(lines: list[bytes], size: int, data: st.DataObject) -> None:
    """Cut anywhere, packed, unpacked, and gone on with: every figure, example and late line is the same."""
    until = data.draw(st.integers(1, len(lines)))
    lists = in_lists(lines, size)

    async def both() -> None:
        whole = await count(begun(), chunks(lists, "auto"))
        state = await count(begun(), chunks(lists, "auto"), until)
        again = unpack(pack(state), SITE)
        again.window = Window(4)
        again.window.held = state.window.held[:]
        left = after(chunks(lists, "auto"), again.tally.lines, again.tally.examples)
        assert told(await count(again, left)) == told(whole)
        assert again.counts.last_ms == whole.counts.last_ms

    asyncio.run(both())


@given(lines=logs(), size=st.integers(1, 7), other=st.integers(1, 7), done=st.integers(0, 70))
def test_lines_that_are_done_are_left_out(lines: list[bytes], size: int, other: int, done: int) -> None:
    """The rest has the numbers and formats that it has in the whole, however the lines come in lists."""

    def spelt(pieces: Any) -> list[tuple[int, str, bytes]]:
        return [
            (number, chunk.format, line)
            for chunk in pieces
            for number, line in enumerate(chunk.lines, chunk.first)
        ]

    whole = spelt(chunks(in_lists(lines, size), "auto"))
    assert spelt(after(chunks(in_lists(lines, other), "auto"), done, [])) == whole[done:]


class Told:
    """A keeper, its clock, and what it said."""

    def __init__(self, folder: Path | None, *, afresh: bool = False) -> None:
        self.now_ms = 1_500_000_000_000
        self.said: list[str] = []
        self.keeper = Keeper(folder, self.said.append, lambda: self.now_ms, afresh=afresh)


def counted(lines: int = 5, *, site: Site = SITE) -> State:
    """A state with a sketch and a malformed line."""
    state = State(site)
    log = [HEAD, b"192.0.2.7 secret"]
    log += [
        b"2015-05-17 10:00:%02d GET /a 192.0.2.7 Mozilla/5.0+(X11) 200" % each for each in range(lines - 2)
    ]
    asyncio.run(_take_all(state, log))
    state.finish()
    for day in state.counts.days:
        state.sketches[day] = Sketch(3, b"HYLL")
    return state


async def _take_all(state: State, lines: list[bytes]) -> None:
    async for chunk in parse_all(chunks([lines], "auto"), PLAN):
        state.take(chunk)


def test_state_is_kept_every_half_minute(tmp_path: Path) -> None:
    """Not sooner, for the user alone, without address, agent, malformed line or digest; and gone at the end."""
    folder = tmp_path / "spool" / "imports"
    told = Told(folder)
    assert told.keeper.begin(PLAN, 5).tally.lines == 0
    state = counted()
    told.now_ms += EVERY_MS - 1
    told.keeper.note(state)
    assert not folder.exists()
    told.now_ms += 1
    told.keeper.note(state)
    (path,) = folder.iterdir()
    assert path.name == name_of(PLAN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = path.read_bytes()
    assert not [
        word for word in (b"192.0", b"secret", b"Mozilla", b"abab") if word in kept + path.name.encode()
    ]
    later = Told(folder)
    assert later.keeper.begin(PLAN, 5).sketches == state.sketches
    assert later.said == ["going on after line 5 of 5"]
    later.keeper.remove()
    assert list(folder.iterdir()) == []
    assert told.said == []


def test_slow_saving_is_done_less_often(tmp_path: Path) -> None:
    """A save of two seconds is followed by a hundred of work."""
    told = Told(tmp_path)
    told.keeper.begin(PLAN, 5)
    ticking = iter((0, 2000))
    state = counted()
    base = told.now_ms
    told.keeper._clock = lambda: base + next(ticking)
    told.keeper.keep(state)
    told.keeper._clock = lambda: told.now_ms
    told.keeper.remove()
    told.now_ms = base + 2000 + 99_999
    told.keeper.note(state)
    assert list(tmp_path.iterdir()) == []
    told.now_ms += 1
    told.keeper.note(state)
    assert list(tmp_path.iterdir())


def damages(kept: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut in the head": kept[: len(FORM) + 20],
        "cut in a frame": kept[: len(FORM) + 3],
        "without a day": kept[: len(FORM) + 8 + int.from_bytes(kept[len(FORM) : len(FORM) + 4], "little")],
        "one bit": kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:],
        "foreign": b"counter import 0, counter 0.0.1\n" + kept[len(FORM) :],
        "no pieces": FORM,
        "other pieces": FORM + b"\x01\0\0\0" + b"\x8d\xef\x02\xd2" + b"\0",
    }


@pytest.mark.parametrize("how", list(damages(b" " * 200)))
def test_damaged_progress_is_told_and_left(tmp_path: Path, how: str) -> None:
    """Whatever is wrong with it, the import says so in a line, and begins anew."""
    Told(tmp_path).keeper.begin(PLAN, 5)
    first = Told(tmp_path)
    first.keeper.begin(PLAN, 5)
    first.keeper.keep(counted())
    (path,) = tmp_path.iterdir()
    path.write_bytes(damages(path.read_bytes())[how])
    told = Told(tmp_path)
    assert told.keeper.begin(PLAN, 5).tally.lines == 0
    (said,) = told.said
    assert said.startswith("the progress of this import cannot be used, so it begins anew: ")
    assert "\n" not in said


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, options=Options("pages")),
        replace(PLAN, digest="cd" * 32),
        replace(PLAN, site=replace(SITE, id=2)),
        replace(PLAN, site=replace(SITE, settings=replace(SETTINGS, visit_timeout_seconds=60))),
    ],
    ids=["options", "content", "site", "settings"],
)
def test_other_import_does_not_go_on(tmp_path: Path, other: Plan) -> None:
    """Other options, content, site or settings would come to other figures."""
    first = Told(tmp_path)
    first.keeper.begin(PLAN, 5)
    first.keeper.keep(counted())
    told = Told(tmp_path)
    assert told.keeper.begin(other, 5).tally.lines == 0
    assert told.said == []


def test_afresh_and_age_remove_it(tmp_path: Path) -> None:
    """What is a month old is removed by any import, and that of this import if it is to begin anew."""
    first = Told(tmp_path)
    first.keeper.begin(PLAN, 5)
    first.keeper.keep(counted())
    assert Told(tmp_path, afresh=True).keeper.begin(PLAN, 5).tally.lines == 0
    assert list(tmp_path.iterdir()) == []
    first.keeper.keep(counted())
    (path,) = tmp_path.iterdir()
    later = Told(tmp_path)
    later.now_ms = int(path.stat().st_mtime * 1000) + KEPT_MS - 1000
    later.keeper.begin(replace(PLAN, digest="cd" * 32), 5)
    assert path.exists()
    later.now_ms += 2000
    later.keeper.begin(replace(PLAN, digest="cd" * 32), 5)
    assert not path.exists()


@pytest.mark.parametrize("has_spool", [False, True])
def test_place_that_cannot_be_written_is_told_once(tmp_path: Path, *, has_spool: bool) -> None:
    """The import goes on without, whether there is no spool or its folder is a file."""
    (tmp_path / "spool").write_text("no folder")
    told = Told(tmp_path / "spool" / "imports" if has_spool else None)
    state = told.keeper.begin(PLAN, 5)
    for _ in range(3):
        told.now_ms += EVERY_MS
        told.keeper.note(state)
    told.keeper.forget(PLAN)
    (said,) = told.said
    assert said.startswith("the progress of this import is not kept: ")


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (KeyboardInterrupt(), True),
        (asyncio.CancelledError(), True),
        (ReadersGoneError(), True),
        (ImportFileError("days are counted"), False),
    ],
    ids=["interrupt", "cancel", "readers", "refused"],
)
def test_what_is_cut_short_is_kept_and_what_is_refused_is_not(
    tmp_path: Path, error: BaseException, *, is_kept: bool
) -> None:
    """Whoever runs a refused import again would only be refused again."""
    told = Told(tmp_path)
    told.keeper.begin(PLAN, 5)
    with pytest.raises(type(error)), told.keeper.guarding(counted()):
        raise error
    assert bool(list(tmp_path.iterdir())) == is_kept
    expected = ["cut short after line 5; the same command goes on from there"] if is_kept else []
    assert told.said == expected


def test_half_counted_chunk_is_not_kept(tmp_path: Path) -> None:
    """What an interrupt left in the midst of counting would be wrong, so the save before it stays."""
    told = Told(tmp_path)
    told.keeper.begin(PLAN, 5)
    state = counted()
    assert told.keeper.keep(state)
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    wrong: Any = [None]
    with pytest.raises(TypeError), told.keeper.guarding(state):
        state.take(Parsed(1, wrong, Counter(), 0, []))
    assert path.read_bytes() == before
