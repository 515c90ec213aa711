"""The spool's file form: whole records survive any damage beside them, and none is made up."""

from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.batch import Hit, Kind
from counter.buckets.segment import HEADER, MAGIC, encode_record, is_torn, read_records, to_hits
from counter.sites.model import Site, SiteSettings, calendar_of

SITE = Site(1, "portal", enabled=True, settings=SiteSettings(), span_of=calendar_of(SiteSettings()))
HEAD = HEADER.pack(MAGIC, HEADER.size, b"")

hits = st.builds(
    Hit,
    st.just(SITE),
    st.integers(0, 2**45),
    st.sampled_from([Kind.VIEW, Kind.BOT]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
)
batches = st.lists(st.lists(hits, max_size=5), min_size=1, max_size=6)


def make_segment(found: list[list[Hit]]) -> tuple[bytes, list[int]]:
    """A segment, and where its records end."""
    data, ends = HEAD, []
    for sequence, batch in enumerate(found, 1):
        data += encode_record("worker", sequence, batch)
        ends.append(len(data))
    return data, ends


@given(found=batches)
def test_records_read_back(found: list[list[Hit]]) -> None:
    """What is written is read, in order, with tokens and times."""
    data, ends = make_segment(found)
    records = list(read_records(data))
    assert [record.end for record in records] == ends
    assert [to_hits(record.batch, lambda _key: SITE) for record in records if record.batch] == found
    assert [record.batch.sequence for record in records if record.batch] == list(range(1, len(found) + 1))
    assert not is_torn(data, ends[-1])


@given(found=batches, share=st.floats(0, 1))
def test_torn_tail_costs_no_whole_record(found: list[list[Hit]], share: float) -> None:
    """A file that ends anywhere, as after a crash, gives every record that was whole."""
    data, ends = make_segment(found)
    cut = HEADER.size + int((len(data) - HEADER.size) * share)
    whole = [end for end in ends if end <= cut]
    records = list(read_records(data[:cut]))
    assert [record.end for record in records] == whole
    assert is_torn(data[:cut], whole[-1] if whole else HEADER.size) == (cut not in {*ends, HEADER.size})


@given(found=batches, at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_damaged_byte_costs_one_record_at_most(found: list[list[Hit]], at: int, flip: int) -> None:
    """A flipped bit loses the record it is in, which is reported; all others are read, and none is wrong."""
    data, ends = make_segment(found)
    at = HEADER.size + at % (len(data) - HEADER.size)
    damaged = bytearray(data)
    damaged[at] ^= flip
    struck = next(number for number, end in enumerate(ends) if at < end)
    records = list(read_records(bytes(damaged)))
    read = [record.batch.sequence for record in records if record.batch]
    assert read == [number + 1 for number in range(len(found)) if number != struck]
    reported = [record for record in records if record.batch is None]
    assert len(reported) == (0 if struck == len(found) - 1 else 1)


@given(data=st.binary(max_size=2000))
def test_junk_is_no_record(data: bytes) -> None:
    """Bytes that this program did not write break nothing."""
    assert all(record.batch is None for record in read_records(HEAD + data))


def test_heartbeats_and_strangers_are_left_out() -> None:
    """A heartbeat is not written down, and a site that is gone is not counted."""
    record = encode_record("w", 1, [Hit(SITE, 5, Kind.HEARTBEAT), Hit(SITE, 6, Kind.VIEW, "/a")])
    (found,) = read_records(HEAD + record)
    assert found.batch is not None
    assert [hit.at_ms for hit in found.batch.hits] == [6]
    assert to_hits(found.batch, lambda _key: None) == []


def test_no_address_and_no_agent_is_written() -> None:
    """A record holds the site, the time, the page and the visitor's hash; nothing else has a field."""
    record = encode_record("worker", 7, [Hit(SITE, 1, Kind.VIEW, "/a", b"VISITOR1", b"VISITOR0")])
    for word in (b"worker", b"portal", b"view", b"/a", b"VISITOR1", b"VISITOR0"):
        record = record.replace(word, b"", 1)
    assert len(record) < 40
