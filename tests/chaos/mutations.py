"""What is taken away from the program to see that the harness would notice, one thing at a time."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.lives import ROOT
from tests.chaos.plan import Kind
from tests.chaos.report import Caught

BROKEN: Final = 3
"""Exit code of a run of rounds that found a broken promise."""
SEEDS: Final = range(1, 13)
"""In which a mutation must be found."""
ROUND_SECONDS: Final = 600
COPIED: Final = ("counter", "sql", "tests", "pyproject.toml")


class Mutation(NamedTuple):
    """A change of the program that breaks a promise.

    Attributes:
        name: what is taken away.
        file: in which.
        old, new: its text before and after.
        kinds: of the faults that can show it; all of them if none is named.
    """

    name: str
    file: str
    old: str
    new: str
    kinds: tuple[Kind, ...] = ()


ENDS: Final = (Kind.KILL_WORKER, Kind.KILL_WORKERS, Kind.KILL_REDIS, Kind.PAUSE_REDIS, Kind.CRASH)
LINKS: Final = (Kind.CUT_LINK, Kind.STALL_LINK, Kind.REFUSE_LINK, Kind.PAUSE_REDIS)
WIPES: Final = (Kind.WIPE_REDIS, Kind.RESTORE_REDIS, Kind.STALL_LINK, Kind.KILL_REDIS)
DURABLE: Final = (Kind.KILL_POSTGRES, Kind.PAUSE_POSTGRES, Kind.CUT_LINK, Kind.REFUSE_LINK, Kind.CRASH)

MUTATIONS: Final = (
    Mutation(
        "a batch is counted again although Redis has its token",
        "counter/buckets/lua/record.lua",
        "if sequence <= sequence_before then",
        "if false then",
        LINKS,
    ),
    Mutation(
        "a bucket is settled before Postgres has its row",
        "counter/rollup/rollup.py",
        """        await self._write_rows(lane, ids, stored, generation, aggregates)
        self._passing(Step.ROWS_WRITTEN)
        await self._buckets.settle(lane, stored)
""",
        """        await self._buckets.settle(lane, stored)
        self._passing(Step.ROWS_WRITTEN)
        await self._write_rows(lane, ids, stored, generation, aggregates)
""",
        DURABLE,
    ),
    Mutation(
        "a spooled batch is acknowledged without an fsync",
        "counter/buckets/segment_file.py",
        """            self._passing(Step.SEGMENT_WRITTEN)
            os.fsync(self._descriptor)
""",
        """            self._passing(Step.SEGMENT_WRITTEN)
""",
        (Kind.LOSE_POWER, Kind.PAUSE_REDIS, Kind.KILL_REDIS, Kind.REFUSE_LINK),
    ),
    Mutation(
        "a replay is noted as done before Redis has counted it",
        "counter/buckets/lane.py",
        """            await self._count_spooled(waiting)
            self._passing(Step.REPLAY_COUNTED)
            self._spool.done(waiting)
""",
        """            self._spool.done(waiting)
            self._passing(Step.REPLAY_COUNTED)
            await self._count_spooled(waiting)
""",
        ENDS,
    ),
    Mutation(
        "no generation ever ends",
        "counter/buckets/lua/generation.lua",
        """  if held[1] ~= life then return '' end
  return held[2]
""",
        """  return '0'
""",
        WIPES,
    ),
    Mutation(
        "Postgres is not asked about a batch in doubt",
        "counter/buckets/delivery.py",
        'if delivery.sent_in not in {"", generation} and await',
        "if False and await",
        WIPES,
    ),
)


def catch(mutation: Mutation, seeds: Sequence[int] = SEEDS) -> Caught | None:
    """Run rounds on a changed copy of the program until one breaks a promise; None if none does.

    Raises:
        ValueError: the program has no such text any more.
        RuntimeError: the rounds could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="counter-mutation-") as folder:
        tree = Path(folder)
        _copy(tree)
        _change(tree / mutation.file, mutation)
        for seed in seeds:
            if violation := _find_violation(tree, mutation, seed):
                return Caught(mutation.name, seed, violation)
    return None


def _copy(tree: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)


def _change(file: Path, mutation: Mutation) -> None:
    text = file.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.file} no longer says once what is taken away: {mutation.name}")
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def _find_violation(tree: Path, mutation: Mutation, seed: int) -> str:
    kinds = ",".join(kind.name for kind in mutation.kinds)
    command = [
        sys.executable,
        "-m",
        "tests.chaos",
        "--rounds=1",
        f"--seed={seed}",
        f"--kinds={kinds}",
        "--forget",
    ]
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, timeout=ROUND_SECONDS, check=False
    )
    if done.returncode not in {0, BROKEN}:
        raise RuntimeError(f"seed {seed}: {done.stderr}")
    return done.stdout.splitlines()[1] if done.returncode == BROKEN else ""
