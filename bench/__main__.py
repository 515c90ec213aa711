"""`make bench`: measures, prints a table, keeps it or compares with one that was kept."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from bench.figures import FIGURES, Figure, Rounds
from bench.growth import growth
from bench.history import history
from bench.importing import importing
from bench.place import place
from bench.rollup import rollup
from bench.script import script
from bench.workers import workers

ALL = {
    **FIGURES,
    "growth": growth,
    "import": importing,
    "rollup": rollup,
    "history": history,
    "workers": workers,
    "script": script,
}


async def measure(names: list[str], rounds: Rounds) -> list[Figure]:
    """Measure some figures, each in a place of its own."""
    found: list[Figure] = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="counter-bench-") as folder:
            Path(folder).chmod(0o711)
            async with place(Path(folder)) as here:
                for figure in await ALL[name](here, rounds):
                    print(line_of(figure), flush=True)
                    found.append(figure)
    return found


def line_of(figure: Figure, before: float | None = None) -> str:
    """Return a line of the table in Markdown."""
    wanted = f"{'≤' if figure.at_most else '≥'} {figure.must:g}"
    held = "yes" if figure.holds else "**no**"
    was = "" if before is None else f" {before:.3g} |"
    return f"| {figure.name} | {figure.value:.3g}{figure.unit} | {wanted} | {held} |{was} {', '.join(figure.raw)} |"


def main() -> int:
    """Return 1 if a figure is not good enough."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help=", ".join(ALL))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--save", type=Path, help="keep the figures as a baseline")
    parser.add_argument("--compare", type=Path, help="show those of a baseline beside them")
    chosen = parser.parse_args()
    unknown = set(chosen.figures) - set(ALL)
    if unknown:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    found = asyncio.run(measure(chosen.figures or list(ALL), Rounds(chosen.rounds, chosen.seconds)))
    before = json.loads(chosen.compare.read_text(encoding="utf-8")) if chosen.compare else {}
    more = " before |" if before else ""
    print(
        f"\n| figure | median | must | holds |{more} rounds |\n|---|---|---|---|{'---|' if before else ''}---|"
    )
    for figure in found:
        print(line_of(figure, before.get(figure.name) if before else None))
    if chosen.save:
        chosen.save.write_text(
            json.dumps({figure.name: figure.value for figure in found}, indent=1), encoding="utf-8"
        )
    return 0 if all(figure.holds for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
