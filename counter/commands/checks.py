"""`counter check`."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counter.app import open_buckets
from counter.buckets.recorder import TAKE_OVER_SECONDS
from counter.checks.audit import Audit
from counter.checks.findings import EXIT_CODES, Check, Report, Result, summary
from counter.clock import system_clock
from counter.commands.running import runs, say
from counter.config import Settings
from counter.database import connected
from counter.errors import CounterError

ROLLUPS: Final = 3
LEAST_SECONDS: Final = 3 * TAKE_OVER_SECONDS
"""How many rollups, and how long at least, something may take to be written down, if nothing else is said."""
MOST_LINES: Final = 20
_STYLES: Final = {Result.GOOD: "green", Result.WRONG: "bold red", Result.UNKNOWN: "yellow"}


def says_what_it_could_not(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Let a command that cannot begin end as one that could not look."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> int | None:
        try:
            return command(*args, **kwargs)
        except CounterError as error:
            click.echo(f"counter: {error}", err=True)
            return EXIT_CODES[Result.UNKNOWN]

    return run


@click.command("check")
@click.option("--site", "keys", multiple=True, metavar="KEY", help="Look at this site only; repeat it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    help="Seconds that the next rollup and the replay of a spool may take.  [default: three times "
    "COUNTER_ROLLUP_SECONDS, at least 15]",
)
@says_what_it_could_not
@runs
async def check_command(
    settings: Settings, keys: tuple[str, ...], *, as_json: bool, wait_seconds: float | None
) -> int:
    """Audit the running system: whether all numbers add up, and whether they are kept safely.

    It only reads, and may run at any time, also while the service counts. docs/check.md explains each line.

    \b
    Exit code:
      0  all checks are good
      1  something is wrong
      2  something could not be looked at, and nothing that could be is wrong
    """  # noqa: D301 - click wants the character itself
    told = Console(stderr=True)
    async with open_buckets(settings, system_clock) as buckets:
        audit = Audit(
            buckets.store,
            buckets.audit,
            partial(connected, settings.database_url.get_secret_value(), "counter check"),
            settings.spool_dir if settings.spool_mb else None,
            system_clock,
            wait_seconds=_usual_wait(settings) if wait_seconds is None else wait_seconds,
            tell=told.print if told.is_terminal else lambda _text: None,
        )
        report = await audit.run(keys)
    if as_json:
        say(msgspec.json.encode(report).decode())
    else:
        _print(report)
    return report.exit_code


def _usual_wait(settings: Settings) -> float:
    return max(ROLLUPS * settings.rollup_seconds, LEAST_SECONDS)


def _print(report: Report) -> None:
    console = Console()
    table = Table("part", "looked at", "result", "detail")
    for line in report.checks:
        table.add_row(
            line.part, Text(line.subject), Text(line.result, style=_STYLES[line.result]), Text(line.detail)
        )
    console.print(table)
    for line in report.checks:
        if line.problem_count > 1:
            _print_problems(console, line)
    console.print(Text(summary(report), style=_STYLES[report.result]))


def _print_problems(console: Console, line: Check) -> None:
    console.print(Text(f"{line.subject}: {line.problem_count:,} findings", style="bold"))
    for problem in line.problems[:MOST_LINES]:
        site = f"{problem.site}: " if problem.site else ""
        console.print(Text(f"  {site}{problem.detail}"), soft_wrap=True)
    if line.problem_count > MOST_LINES:
        console.print(f"  … and {line.problem_count - MOST_LINES:,} more; --json tells up to 1,000")
