"""`make fuzz`: atheris, which follows the coverage, on one target: `python -m tests.fuzz TARGET [options of libFuzzer]`."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from tests.fuzz.targets import SEEDS, TARGETS

name, *options = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    for number, seed in enumerate(SEEDS[name]):
        Path(folder, str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, folder], TARGETS[name])
    atheris.Fuzz()
