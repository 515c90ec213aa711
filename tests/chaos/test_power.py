"""The loss of power: what was fsynced stays, what was not is gone."""

import os
from pathlib import Path

import pytest

from counter.buckets.segment import HEADER
from counter.buckets.segment_file import SegmentFile
from counter.steps import go_on
from tests.chaos.power import lose_power, note_fsyncs

HEAD = b"h" * HEADER.size


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def synced(path: Path, notes: Path) -> None:
    """Let the disk have a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        note_fsyncs(notes)(descriptor)
    finally:
        os.close(descriptor)


def test_what_was_synced_stays(spool: Path, notes: Path) -> None:
    """A file whose bytes and name were fsynced is whole."""
    segment = spool / "a.spool"
    segment.write_bytes(HEAD + b"batch")
    synced(segment, notes)
    synced(spool, notes)
    lose_power(spool, notes)
    assert segment.read_bytes() == HEAD + b"batch"


def test_what_was_written_later_is_gone(spool: Path, notes: Path) -> None:
    """The tail and the head go back to what they were at the last fsync."""
    segment = spool / "a.spool"
    segment.write_bytes(HEAD + b"batch")
    synced(segment, notes)
    synced(spool, notes)
    segment.write_bytes(b"H" * HEADER.size + b"batch and more")
    lose_power(spool, notes)
    assert segment.read_bytes() == HEAD + b"batch"


def test_name_that_was_not_synced_is_gone(spool: Path, notes: Path) -> None:
    """A file that was renamed, without an fsync of its folder, is not there."""
    unnamed = spool / "a.new"
    unnamed.write_bytes(HEAD)
    synced(unnamed, notes)
    unnamed.rename(spool / "a.spool")
    lose_power(spool, notes)
    assert list(spool.iterdir()) == []


def test_files_of_one_name_in_two_lanes(spool: Path, notes: Path) -> None:
    """The segments of two lanes have the same name, and are told apart."""
    for lane, size in (("lane-0", 5), ("lane-1", 1)):
        (spool / lane).mkdir()
        (spool / lane / "a.spool").write_bytes(HEAD + b"b" * size)
        synced(spool / lane / "a.spool", notes)
        synced(spool / lane, notes)
    lose_power(spool, notes)
    assert (spool / "lane-0" / "a.spool").stat().st_size == HEADER.size + 5


def test_note_of_the_first_sending_outlives_it(
    spool: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was sent before the power failed is known to be in doubt, so that it is never counted anew."""
    monkeypatch.setattr(os, "fsync", note_fsyncs(notes))
    segment = SegmentFile.create(spool, "a", go_on)
    segment.append(b"batch")
    segment.sending("the generation")
    segment.close()
    lose_power(spool, notes)
    found = SegmentFile.take_over(segment.path, go_on)
    assert found is not None
    assert found.sent_in == "the generation"
    found.close()
