"""The bench weighs the script as browsers get it."""

from importlib.resources import files

import msgspec

from bench.__main__ import line_of, measure
from bench.figures import Rounds

BUILT = files("counter.widget") / "static" / "script"


async def test_script_is_weighed_as_it_is_served():
    """The packed script is smaller than the very file that is built, whose size stands beside it."""
    (figure,) = await measure(["script"], Rounds(1, 1))
    name = msgspec.json.decode((BUILT / "current.json").read_bytes())["counter"]
    assert figure.raw[-1] == f"{len((BUILT / name).read_bytes())} B identity"
    assert figure.raw[0] == f"{figure.value * 1024:.0f} B gzip"
    assert 0 < figure.value * 1024 < len((BUILT / name).read_bytes())
    assert "| ≤ 1.6 |" in line_of(figure)
