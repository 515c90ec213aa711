"""What deploy/ ships for monitoring fits together: rules, their tests, the runbook, dashboards, data sources."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.monitoring.grafana import boards, panels
from tests.monitoring.server import program
from tools.dashboards.every import every

RULES = ("recording.yml", "alerts.yml")


def read(here: Path, *names: str) -> Any:
    return yaml.safe_load(here.joinpath("deploy", *names).read_text(encoding="utf-8"))


def alerts(here: Path) -> list[dict[str, Any]]:
    groups = read(here, "prometheus", "alerts.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(
    "words",
    [("check", "rules", *RULES), ("test", "rules", "alerts_test.yml"), ("check", "config", "prometheus.yml")],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_is_content(here: Path, words: tuple[str, ...]) -> None:
    """Rules and configuration are what Prometheus takes, and each alert comes and stays away when it should."""
    command = [program(here, "promtool"), *words]
    done = subprocess.run(
        command, cwd=here / "deploy" / "prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_every_alert_is_tested_both_ways(here: Path) -> None:
    """Each alert has a moment at which it must be quiet and one at which it must fire."""
    cases = [
        case
        for test in read(here, "prometheus", "alerts_test.yml")["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    names = {alert["alert"] for alert in alerts(here)}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


def test_every_alert_has_its_entry_in_the_runbook(here: Path) -> None:
    """Each alert links to its heading, each heading is an alert's, and each entry says what to do."""
    text = (here / "docs" / "runbook.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert [alert["alert"] for alert in alerts(here)] == list(entries)
    assert all("**Do:**" in entry for entry in entries.values())
    for alert in alerts(here):
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"warning", "critical"}


def test_dashboards_are_those_of_the_script(here: Path) -> None:
    """What is committed is what `make dashboards` writes."""
    folder = here / "deploy" / "grafana" / "dashboards"
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == every()


def test_dashboards_are_of_the_types_of_grafana(here: Path) -> None:
    """Each dashboard can be read into the SDK's types, and says there what it says here."""
    for name, board in boards(here).items():
        read_back = Dashboard.from_json(board)
        assert (read_back.uid, read_back.title) == (board["uid"], board["title"]), name
        assert read_back.panels
        assert len(read_back.panels) == len(board["panels"])
        assert [panel.type_val for panel in read_back.panels] == [panel["type"] for panel in board["panels"]]


def test_panels_have_titles_places_and_known_sources(here: Path) -> None:
    """No panel lies upon another one, and each asks a data source that is provisioned."""
    sources = {
        source["uid"]: source["type"]
        for source in read(here, "grafana", "provisioning", "datasources", "counter.yaml")["datasources"]
    }
    assert len({board["uid"] for board in boards(here).values()}) == 3
    for name, panel in panels(here):
        assert panel["title"], name
        assert panel["targets"], name
        assert sources[panel["datasource"]["uid"]] == panel["datasource"]["type"], name
    for name, board in boards(here).items():
        assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, (name, panel["title"])
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_compose_shows_them_without_a_click(here: Path) -> None:
    """Each file that Grafana and Prometheus need is mounted where they look, and each secret is declared."""
    compose = read(here, "compose.yaml")
    for name in ("grafana", "prometheus"):
        for volume in compose["services"][name]["volumes"]:
            source = volume.split(":")[0]
            assert (
                (here / "deploy" / source).exists()
                if source.startswith(".")
                else source in compose["volumes"]
            )
    provider = read(here, "grafana", "provisioning", "dashboards", "counter.yaml")["providers"][0]
    mounts = [volume.split(":") for volume in compose["services"]["grafana"]["volumes"]]
    assert {target: source for source, target, *_ in mounts}[
        provider["options"]["path"]
    ] == "./grafana/dashboards"
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= compose["secrets"].keys()
    targets = {
        config["job_name"]: config["static_configs"][0]["targets"][0].split(":")[0]
        for config in read(here, "prometheus", "prometheus.yml")["scrape_configs"]
    }
    assert targets == {"counter": "counter", "counter-audit": "audit"}
    assert set(targets.values()) <= compose["services"].keys()


def test_documentation_names_the_metrics_and_views_that_there_are(here: Path) -> None:
    """Each metric that the page on monitoring spells out is one of the program, and each view one of the migration."""
    text = (here / "docs" / "monitoring.md").read_text(encoding="utf-8")
    source = "".join(
        (here / "counter" / file).read_text(encoding="utf-8")
        for file in ("metrics.py", "surroundings.py", "checks/exposition.py")
    )
    known = set(re.findall(r'"(counter_\w+)"', source))
    known |= {f"{name}_total" for name in known}
    known |= {f"counter_redis_{name}" for name in re.findall(r'gauge\("(\w+)"', source)}
    assert set(re.findall(r"`(counter_[a-z_]+)(?:\{|`)", text)) - {"counter_reader"} <= known
    migration = (here / "sql" / "migrations" / "0007_reading.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"`(reading\.\w+)`", text)) == set(
        re.findall(r"create view (reading\.\w+)", migration)
    )
