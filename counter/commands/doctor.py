"""`counter doctor`."""

from functools import partial
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counter.clock import system_clock
from counter.commands.checks import says_what_it_could_not
from counter.commands.running import runs, say
from counter.config import Settings
from counter.database import connected
from counter.doctor.doctor import Doctor
from counter.doctor.findings import Diagnosis, Verdict, summary
from counter.wiring.hot import open_buckets

_STYLES: Final = {
    Verdict.GOOD: "green",
    Verdict.CONSIDER: "yellow",
    Verdict.FIX: "bold red",
    Verdict.UNKNOWN: "yellow",
}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@says_what_it_could_not
@runs
async def doctor_command(settings: Settings, *, as_json: bool) -> int:
    """Look at the deployment, and say in plain words what to fix.

    Run it on a host of the service and with its settings. It changes nothing. `counter check` says whether
    the numbers add up.

    \b
    Exit code:
      0  nothing to fix
      1  something to fix
      2  something could not be looked at, and nothing that could be needs fixing
    """  # noqa: D301 - click wants the character itself
    connect = partial(connected, settings.database_url.get_secret_value(), "counter doctor")
    async with open_buckets(settings, system_clock) as buckets:
        doctor = Doctor(settings, buckets.store, buckets.audit, connect, system_clock)
        diagnosis = await doctor.look()
    if as_json:
        say(msgspec.json.encode(diagnosis).decode())
    else:
        _print(diagnosis)
    return diagnosis.exit_code


def _print(diagnosis: Diagnosis) -> None:
    console = Console()
    table = Table("part", "result", "what was seen", "what to do")
    for each in diagnosis.findings:
        verdict = Text(each.verdict, style=_STYLES[each.verdict])
        table.add_row(each.part, verdict, Text(each.detail), Text(each.todo))
    console.print(table)
    console.print(Text(summary(diagnosis), style=_STYLES[diagnosis.verdict]))
