"""An audit as metrics: the certificate of the numbers, for Prometheus."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from counter.checks.findings import Report, Result
from counter.errors import ConfigError


class CheckMetrics:
    """What the last audit said."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.problems = Gauge(
            "counter_check_problems",
            "What `counter check` found wrong, by check.",
            ["check"],
            registry=registry,
        )
        self.unseen = Gauge(
            "counter_check_unseen", "1 if the check could not look.", ["check"], registry=registry
        )
        self.sites = Gauge("counter_check_sites", "Sites that it looked at.", registry=registry)
        self.at = Gauge("counter_check_timestamp_seconds", "When it last ended.", registry=registry)

    def show(self, report: Report, now_ms: int) -> None:
        """Take over a report."""
        for line in report.checks:
            self.problems.labels(line.check).set(line.problem_count)
            self.unseen.labels(line.check).set(line.result is Result.UNKNOWN)
        self.sites.set(report.sites)
        self.at.set(now_ms / 1000)


def write_metrics(report: Report, path: Path, now_ms: int) -> None:
    """Write a report as a file for node_exporter's textfile collector, in one step.

    Raises:
        ConfigError: it cannot be written there.
    """
    registry = CollectorRegistry()
    CheckMetrics(registry).show(report, now_ms)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
