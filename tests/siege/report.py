"""The report of a siege, as it stands in docs/siege.md."""

import platform
from datetime import UTC, datetime

from tests.siege.siege import Group, Phase, Report

HEAD = """# Siege

`make siege` runs a real service (one worker, embedded Valkey and Postgres, the limits as they come) behind a trusted
proxy, lets honest people come all the time, and attacks it in one way after the other. The generator alone knows who is
honest: the service sees requests. What became of each hit is what it tells a webmaster in `Counter-Reason`; that the
views it shows are exactly the admitted ones is checked in the end.

- **People at home**: sessions begin at random, three pages on average, each from an address of its own; on all three
  sites (open; signed, where their browsers fetch tokens; with a list of hosts).
- **Office**: 2,000 people behind one IPv4 address with few different browsers; all begin their day within the siege.
- **Crawlers**, **referrer spam** on the site with hosts, a **botnet** of 10,000 addresses with browsers' agents that
  fetches no tokens, a **flooder** on one address as fast as it goes, and one that is **another visitor with each hit**.

"""
FOOT = """
## What it says

- A site that wants to be safe from botnets turns `signed` on. Without it a botnet whose every address behaves like a
  person **is counted**: nobody can tell its hits from people's. `counter adjust` takes such an attack out again.
- One address can add no more than its burst, however long it goes on: what is refused counts against it too. So the share
  of a flood that gets in falls as the flood grows. The workers of a host keep their limits
  together; only with several hosts a flooder that spreads over them gets a burst from each.
- Crawlers are counted, but apart (`bot`), and in no number that the widget shows.
"""


def markdown(report: Report) -> str:
    """Return the whole page."""
    groups = "\n".join(_group(name, group) for name, group in report.groups.items())
    phases = "\n".join(_phase(phase) for phase in report.phases)
    admitted = sum(group.admitted for group in report.groups.values())
    exact = (
        "exactly the admitted ones" if report.shown_views == admitted else f"but {admitted:,} were admitted"
    )
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(report.statuses.items()))
    return (
        f"{HEAD}Run of {datetime.now(UTC):%Y-%m-%d} on {machine}; the generator shared two cores with the service.\n\n"
        "| group | sent | admitted | of them | refused, by reason |\n|---|---:|---:|---:|---|\n"
        f"{groups}\n\n"
        f"Honest hits lost: **{report.honest_lost}**. Views shown in the end: {report.shown_views:,}, {exact}. "
        f"Answers by status: {statuses}.\n\n"
        "| phase | seconds | hits/s | CPU of the worker | memory | widget answers | slowest |\n"
        "|---|---:|---:|---:|---:|---|---:|\n"
        f"| before | | | | {report.memory_before_mb:.0f} MB | | |\n{phases}\n{FOOT}"
    )


def _group(name: str, group: Group) -> str:
    refused = ", ".join(f"{why} {count:,}" for why, count in group.outcomes.most_common() if why != "view")
    kind = "honest" if group.honest else "false"
    share = 100 * group.admitted / group.sent
    return f"| {name} ({kind}) | {group.sent:,} | {group.admitted:,} | {share:.2f} % | {refused or '–'} |"


def _phase(phase: Phase) -> str:
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(phase.widget.items()))
    cpu = 100 * phase.cpu_seconds / phase.seconds
    return (
        f"| {phase.name} | {phase.seconds:.0f} | {phase.hits / phase.seconds:,.0f} | {cpu:.0f} % "
        f"| {phase.memory_mb:.0f} MB | {answers} | {phase.widget_slowest_ms:.0f} ms |"
    )
