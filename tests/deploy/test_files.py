"""Compose and Dockerfile, each judged by its own tool."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.running import must

SETUP = {"migrate", "caddy-data", "restore"}
"""What ends by itself has no health."""


@pytest.fixture
def compose(here: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((here / "deploy/compose.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.judged
def test_compose_fits_its_schema(here, tools):
    """The file is one that the Compose specification allows."""
    must(
        tools("deploy") / "check-jsonschema",
        "--builtin-schema", "vendor.compose-spec", here / "deploy/compose.yaml",
    )  # fmt: skip


def test_every_container_is_hardened(compose):
    """No service can write to its own files, gain rights, be root, grow without bounds, or die unnoticed."""
    services = compose["services"]
    assert services.keys() >= {"counter", "valkey", "postgres", "prometheus", "grafana", "caddy"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        # The counter's own image says who it is and how its health is asked.
        built = service["image"] == "visitor-counter:local"
        assert built or str(service["user"]) not in {"0", "root"}, name
        assert (service.get("user") == "0:0") == (name == "caddy-data")
        assert built or name in SETUP or service["healthcheck"]["test"], name
        for port in service.get("ports", []):
            assert name == "caddy" or port.startswith("127.0.0.1:"), port
    stores = {name for name, service in services.items() if service.get("networks") == ["inside"]}
    assert stores >= {"valkey", "postgres", "prometheus"}
    assert compose["networks"]["inside"]["internal"] is True


def test_settings_reach_all_that_count(compose):
    """What an operator sets is read by each container that looks into Redis: lanes that differ would count apart."""
    files = {
        name: service.get("env_file")
        for name, service in compose["services"].items()
        if "redis_url" in service.get("secrets", [])
    }
    assert files.keys() == {"counter", "audit", "restore"}
    assert all(file == [{"path": "counter.env", "required": False}] for file in files.values())


def test_compose_knows_no_password(here, compose, tmp_path):
    """Every secret is a file that `make-secrets.sh` makes, and no variable holds one or has a default."""
    for name in ("make-secrets.sh", "valkey.acl"):
        shutil.copy(here / "deploy" / name, tmp_path)
    must("sh", tmp_path / "make-secrets.sh")
    for secret in compose["secrets"].values():
        assert (tmp_path / secret["file"]).read_text()
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert used == compose["secrets"].keys()
    for service in compose["services"].values():
        for variable in service.get("environment", {}):
            assert (
                not re.search("PASSWORD|SECRET|TOKEN", variable)
                or variable.endswith("_FILE")
                or "GRAVATAR" in variable
            )


def test_mounted_files_are_there(here, compose):
    """What a container reads of this repository is in it."""
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (here / "deploy" / source).exists(), source
            else:
                assert source in compose["volumes"]


@pytest.mark.judged
def test_dockerfile_is_clean(here, tools):
    """The linter hadolint finds nothing, not even to praise."""
    must(tools("deploy") / "hadolint", "--failure-threshold", "style", here / "Dockerfile")


def test_image_can_back_up(here, compose):
    """It has the programs of a Postgres that is no older than the server, of the same release of Debian."""
    text = (here / "Dockerfile").read_text(encoding="utf-8")
    assert len(set(re.findall(r"^FROM \S+-(\w+)", text, re.MULTILINE))) == 1
    (major,) = re.findall(r"^FROM postgres:(\d+)-", text, re.MULTILINE)
    assert int(major) >= int(compose["services"]["postgres"]["image"].partition(":")[2])
    for name in ("pg_dump", "pg_restore"):
        assert f"/usr/lib/postgresql/{major}/bin/{name}" in text
    copied = re.findall(r"^COPY ((?!--from)\S+)", text, re.MULTILINE)
    allowed = (here / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{name}" for name in copied} <= set(allowed)
