"""The documentation about security and privacy points to what is there."""

import re
import tomllib
from pathlib import Path

import pytest

PAGES = ("SECURITY.md", "docs/security.md", "docs/privacy.md", "docs/monitoring.md", "docs/runbook.md")
FILE = re.compile(r"`((?:counter|deploy|docs|sql|tests)/[\w./-]+|[A-Z]\w+(?:\.md)?|\.dockerignore)`")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(here: Path, page: str) -> None:
    """Each file that a page names as the place where something is met exists, and so does each link's target."""
    text = (here / page).read_text(encoding="utf-8")
    named = {name for name in FILE.findall(text) if "/" in name or name.endswith(".md")}
    linked = {link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link}
    assert named | linked
    assert {name for name in named if not (here / name).exists()} == set()
    assert {link for link in linked if not ((here / page).parent / link).exists()} == set()


def test_metric_of_salts_has_its_name(here: Path) -> None:
    """The metric that the privacy page tells to watch is the one that the service has."""
    assert "counter_salts_overdue" in (here / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert '"counter_salts_overdue"' in (here / "counter" / "metrics.py").read_text(encoding="utf-8")


def test_rights_of_the_service_name_no_dangerous_command(here: Path) -> None:
    """The list of commands grants single ones, and none that configures, empties or leaves the server."""
    text = (here / "deploy" / "valkey.acl").read_text(encoding="utf-8")
    default, service = text.splitlines()
    assert default == "user default off"
    rules = service.split()[2:]
    assert rules.index("-@all") < min(rules.index(rule) for rule in rules if rule.startswith("+"))
    granted = {rule[1:] for rule in rules if rule.startswith("+")}
    assert not any(rule.startswith("@") for rule in granted)
    assert not granted & {
        "acl",
        "config",
        "debug",
        "flushall",
        "flushdb",
        "keys",
        "monitor",
        "shutdown",
        "script",
    }
    assert [rule for rule in rules if rule.startswith(("~", "%", "allkeys"))] == ["~counter:*"]


def test_every_dependency_has_its_reason(here: Path) -> None:
    """Each package that the project asks for, in any extra or group, is named on the page of dependencies."""
    project = tomllib.loads((here / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    asked = {re.split(r"[\[<>=~! ]", line)[0] for group in groups for line in group}
    page = (here / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert len(asked) > 30
    assert {name for name in asked if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page)} == set()
