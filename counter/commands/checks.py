"""`counter check`, once or again and again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import structlog
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counter.admin.alone import metrics_application
from counter.buckets.recorder import TAKE_OVER_SECONDS
from counter.checks.audit import Audit
from counter.checks.exposition import CheckMetrics, write_metrics
from counter.checks.findings import EXIT_CODES, Check, Report, Result, summary
from counter.clock import system_clock
from counter.commands.running import runs, say, stop_on_signals
from counter.config import Settings
from counter.database import connected
from counter.errors import CounterError
from counter.listen import listening
from counter.wiring.agreement import lanes_to_look_at
from counter.wiring.hot import Buckets, open_buckets

log = structlog.get_logger(__name__)

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
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the result there as well, as metrics for node_exporter's textfile collector.",
)
@says_what_it_could_not
@runs
async def check_command(
    settings: Settings,
    keys: tuple[str, ...],
    *,
    as_json: bool,
    wait_seconds: float | None,
    textfile: Path | None,
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
    tell = told.print if told.is_terminal else lambda _text: None
    report = await _audited(settings, keys, wait_seconds, tell)
    if textfile:
        write_metrics(report, textfile, system_clock())
    if as_json:
        say(msgspec.json.encode(report).decode())
    else:
        print_report(report)
    return report.exit_code


@click.command("audit")
@click.option(
    "--every",
    "seconds",
    type=click.FloatRange(min=1),
    default=900,
    show_default=True,
    help="Seconds between two audits.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that it listens on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8082, show_default=True)
@runs
async def audit_command(settings: Settings, *, seconds: float, host: str, port: int) -> None:
    """Run `counter check` again and again, and show what came of it to Prometheus on /metrics.

    It is a process of its own, so that no hit ever waits for it.
    """
    registry = CollectorRegistry()
    metrics, stop = CheckMetrics(registry), stop_on_signals().asked
    async with listening(metrics_application(registry), host, port) as address:
        say(f"metrics      {address}/metrics")
        while not stop.is_set():
            try:
                metrics.show(await _audited(settings, (), None, lambda _text: None), system_clock())
            except CounterError as error:
                log.warning("audit postponed", reason=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)


async def _audited(
    settings: Settings, keys: tuple[str, ...], wait_seconds: float | None, tell: Callable[[str], None]
) -> Report:
    async with open_buckets(settings, system_clock, await lanes_to_look_at(settings)) as buckets:
        return await audit_of(settings, buckets, wait_seconds, tell).run(keys)


def audit_of(
    settings: Settings,
    buckets: Buckets,
    wait_seconds: float | None = None,
    tell: Callable[[str], None] | None = None,
) -> Audit:
    """Return the audit of the system that the settings name."""
    return Audit(
        buckets.store,
        buckets.audit,
        partial(connected, settings.database_url.get_secret_value(), "counter check"),
        settings.spool_dir if settings.spool_mb else None,
        system_clock,
        wait_seconds=_usual_wait(settings) if wait_seconds is None else wait_seconds,
        tell=tell or _tell_nobody,
    )


def _tell_nobody(_text: str) -> None:
    """Say nothing where no person waits."""


def _usual_wait(settings: Settings) -> float:
    return max(ROLLUPS * settings.rollup_seconds, LEAST_SECONDS)


def print_report(report: Report) -> None:
    """Print the audit as a table, its findings, and a sentence."""
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
