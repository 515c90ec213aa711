"""`make chaos`: rounds of faults until so many were had, or until a promise is broken."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from tests.chaos.lives import ROOT
from tests.chaos.mutations import BROKEN, MUTATIONS, catch
from tests.chaos.plan import Kind, make_plan
from tests.chaos.report import Result, render, render_mutations, with_section
from tests.chaos.round import run_round
from tests.chaos.world import Cluster

TOGETHER: Final = 10
ALONE: Final = 2
SHOWN: Final = 20
DOCUMENT: Final = ROOT / "docs" / "reliability.md"

say = partial(print, flush=True)


def main() -> int:
    """Do what the command line asks for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, help="end after so many, and write docs/reliability.md")
    parser.add_argument("--rounds", type=int, help="end after so many rounds")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first round; each further one has the next"
    )
    parser.add_argument(
        "--kinds", default="", help="of the faults, by name and comma separated; all by default"
    )
    parser.add_argument("--forget", action="store_true", help="keep no logs of a round that breaks a promise")
    parser.add_argument(
        "--mutate", action="store_true", help="see that the harness notices what is taken away"
    )
    asked = parser.parse_args()
    if asked.mutate:
        return mutate()
    kinds = [Kind[name] for name in asked.kinds.split(",") if name] or list(Kind)
    results, folder = asyncio.run(run_rounds(asked, kinds))
    if results[-1].violations:
        report_violations(results[-1], asked.kinds, folder)
        if asked.forget:
            shutil.rmtree(folder)
        return BROKEN
    shutil.rmtree(folder)
    if asked.faults:
        write_section("Faults", render(results))
    return 0


async def run_rounds(asked: argparse.Namespace, kinds: Sequence[Kind]) -> tuple[list[Result], Path]:
    """Run rounds until there were enough, or until one breaks a promise; its folder keeps the logs."""
    folder = Path(tempfile.mkdtemp(prefix="counter-chaos-"))
    results: list[Result] = []
    async with Cluster.running(folder / "postgres") as cluster:
        for seed in count(asked.seed):
            place = folder / f"seed-{seed}"
            place.mkdir()
            plan = make_plan(seed, together=TOGETHER, alone=ALONE, kinds=kinds)
            results.append(await run_round(plan, place, cluster))
            if results[-1].violations:
                break
            say(describe(results))
            shutil.rmtree(place)
            if is_enough(asked, results):
                break
    return results, folder


def is_enough(asked: argparse.Namespace, results: Sequence[Result]) -> bool:
    """Tell whether as many rounds and faults were had as are asked for."""
    faults = sum(result.done.total() for result in results)
    if asked.faults:
        return faults >= asked.faults
    return len(results) >= (asked.rounds or 1)


def describe(results: Sequence[Result]) -> str:
    """Return a line about the latest round."""
    last, faults = results[-1], sum(result.done.total() for result in results)
    slowest = max(last.recovered, key=lambda found: found[1], default=("nothing", 0.0))
    return (
        f"seed {last.seed}: {last.done.total()} faults ({faults} in all), {last.tally.acknowledged} acknowledged, "
        f"{last.tally.unknown} unknown, {last.tally.stored} stored, lost 0, doubled 0, "
        f"recovered in {slowest[1]:.1f} s at the most ({slowest[0]})"
    )


def report_violations(result: Result, kinds: str, folder: Path) -> None:
    """Say what was broken, where the logs are, and how to see it again."""
    say(
        f"seed {result.seed} broke {len(result.violations)} promises; lost {result.tally.lost}, doubled {result.tally.doubled}:"
    )
    for violation in result.violations[:SHOWN]:
        say(violation)
    say(f"logs: {folder / f'seed-{result.seed}'}")
    say(f"again: make chaos SEED={result.seed}" + (f" KINDS={kinds}" if kinds else ""))


def mutate() -> int:
    """Take away one thing after another, and see that each is noticed."""
    caught = []
    for mutation in MUTATIONS:
        found = catch(mutation)
        say(f"{mutation.name}: {f'seed {found.seed}: {found.violation}' if found else 'NOT NOTICED'}")
        if found:
            caught.append(found)
    write_section("Mutations", render_mutations(caught))
    return 0 if len(caught) == len(MUTATIONS) else 1


def write_section(title: str, body: str) -> None:
    """Replace a section of docs/reliability.md."""
    DOCUMENT.write_text(with_section(DOCUMENT.read_text(encoding="utf-8"), title, body), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
