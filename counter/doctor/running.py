"""What a running service should be like, judged by its metrics and by its collector of traces. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from counter.checks.findings import many
from counter.doctor.findings import Advice, consider, fix, good
from counter.tracing.wanted import ENDPOINT, Wanted

TOO_MANY: Final = ("address_rate", "network_rate", "site_rate", "new_visitors")
"""What becomes of beacons that a limit refuses."""
FEWEST_REFUSED: Final = 100
REFUSED_SHARE: Final = 0.01
ANSWERED: Final = frozenset({200, 202, 204, 401, 403})
"""What a collector may say to an empty message of somebody who shows no key."""


def series_of(lines: Iterable[str]) -> dict[str, float]:
    """Return the value of each series of a text exposition, such as `counter_hits_total{result="view"}`."""
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _space, value in pairs}


def judge_workers(series: Mapping[str, float]) -> list[Advice]:
    """All workers answer, and none had to be replaced; nothing is said where there is one process."""
    name, part = "workers", "service"
    wanted = series.get("counter_workers_wanted")
    if wanted is None:
        return []
    alive, hangs = series.get("counter_workers_alive", 0.0), series.get("counter_worker_hangs_total", 0.0)
    ended = series.get("counter_worker_restarts_total", 0.0) - hangs
    if alive < wanted:
        detail = f"{alive:,.0f} of {wanted:,.0f} workers answer"
        return [
            fix(name, part, detail, "see the log of the parent, and CounterWorkersMissing in docs/runbook.md")
        ]
    if hangs > 0 or ended > 0:
        said = (f"{hangs:,.0f} hung" if hangs > 0 else "", f"{ended:,.0f} ended" if ended > 0 else "")
        detail = (
            f"of {wanted:,.0f} workers {' and '.join(filter(None, said))} since the start, and were replaced"
        )
        return [
            consider(
                name, part, detail, "see the log of the parent, and CounterWorkerHangs in docs/runbook.md"
            )
        ]
    return [good(name, part, f"all {wanted:,.0f} workers answer, and none was replaced")]


def judge_limits(series: Mapping[str, float]) -> Advice:
    """Few beacons are refused as too many, else it may be people who are refused."""
    name, part = "limits", "service"
    views = series.get('counter_hits_total{result="view"}', 0.0)
    refused = sum(series.get(f'counter_hits_total{{result="{result}"}}', 0.0) for result in TOO_MANY)
    said = f"{many(int(refused), 'beacon')} of {int(views + refused):,} were refused as too many"
    if refused < FEWEST_REFUSED or refused < REFUSED_SHARE * (views + refused):
        return good(name, part, said)
    todo = (
        "if these are people behind one address, set COUNTER_TRUSTED_PROXIES if it is your proxy's, or raise "
        "COUNTER_ADDRESS_HITS_PER_SECOND and COUNTER_NEW_VISITORS_PER_MINUTE; docs/runbook.md, CounterFlood"
    )
    return consider(name, part, f"{said} from one address or network", todo)


def judge_traces(wanted: Wanted, missing: str, answer: int | str, parents: str) -> Advice:
    """Traces get where they are wanted, and strangers switch none on.

    Args:
        wanted: what the variables of OpenTelemetry say.
        missing: why this program cannot make traces, empty if it can.
        answer: status with which the collector answered, or why it did not.
        parents: COUNTER_TRACE_PARENTS.
    """
    name, part = "traces", "service"
    if not wanted.endpoint:
        return good(name, part, f"none are made, as {ENDPOINT} is not set")
    place = urlsplit(wanted.endpoint)
    where = f"the collector on {place.hostname} port {place.port or (443 if place.scheme == 'https' else 80)}"
    if wanted.fault or missing:
        todo = "see Traces in docs/monitoring.md, or take the variables OTEL_… away"
        return consider(name, part, f"traces are wanted, and none are made: {wanted.fault or missing}", todo)
    if answer not in ANSWERED:
        detail = f"{where} does not take traces ({answer}); no hit is lost by that"
        return consider(name, part, detail, f"start it, or mend {ENDPOINT}")
    if parents == "anybody":
        detail = "anybody's traceparent is believed, so visitors may switch traces on"
        return consider(name, part, detail, "set COUNTER_TRACE_PARENTS=trusted")
    return good(name, part, f"{where} answers")
