"""Each target on bytes that hypothesis makes up, and on good ones that it breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS, TARGETS

EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5), st.binary(max_size=6)), max_size=6)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_parsed_or_refused(name):
    """Whatever comes, the target's promise holds."""

    @given(st.binary(max_size=600) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
    def on_any_bytes(data):
        TARGETS[name](data)

    on_any_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_good_bytes_that_were_broken_are_parsed_or_refused(name):
    """What is nearly right reaches further into a parser than noise."""

    @given(st.sampled_from(SEEDS[name]), EDITS)
    def on_broken_bytes(seed, edits):
        data = seed
        for at, removed, added in edits:
            cut = at % (len(data) + 1)
            data = data[:cut] + added + data[cut + removed :]
        TARGETS[name](data)

    on_broken_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_good(name):
    """The examples from which the fuzzers start are taken."""
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("mysql_dump", b"//*!40000 x *\x01\x00 -- c\n*REPLACE! *"),  # a comment without end was read for ever
        ("import_files", b"c_type,c_val,last_update,c_count\nday,19,1305511122213,249\n"),  # a day in 43340
    ],
)
def test_what_fuzzers_found_stays_mended(name, data):
    """Bytes on which a parser once failed, or did not end."""
    TARGETS[name](data)
