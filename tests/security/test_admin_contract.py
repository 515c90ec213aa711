"""The contract of the administration against the running service, on all kinds of requests."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from counter.administration.tokens import Tokens
from counter.database import connected
from tests.acceptance.conftest import Running
from tests.rights import with_least_rights

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth"
)


@pytest.mark.parametrize("part", ["include", "exclude"])
async def test_administration_keeps_its_contract(part: str, service: Running, tmp_path: Path) -> None:
    """Schemathesis finds no answer that the contract does not foresee, no 5xx, and no address without its token.

    It tries a wrong token on each address, and the service takes ten of them; so the ledger is tested apart.
    """
    url = with_least_rights(service.settings).database_url.get_secret_value()
    async with connected(url) as connection:
        token = await Tokens(connection).add("a test", "all", None, "a test")
    settings = tmp_path / "schemathesis.toml"
    settings.write_text('parameters = { site = "portal" }\n', encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={settings}",
        "run",
        f"{service.admin}/openapi.json",
        f"--header=Authorization: Bearer {token}",
        f"--checks={CHECKS}",
        f"--{part}-path-regex=/adjustments",
        "--seed=1",
        "--max-examples=15",
        "--no-color",
        cwd=tmp_path,
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _nothing = await process.communicate()
    assert process.returncode == 0, said.decode()
