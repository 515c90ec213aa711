"""The contract against the running service, on requests that follow it and on such as do not."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.acceptance.conftest import Running

EXAMPLES = 40


async def test_service_keeps_its_contract_whatever_is_sent(
    service: Running, here: Path, tmp_path: Path
) -> None:
    """Schemathesis finds no answer that the contract does not foresee, no wrong input accepted, and no 5xx."""
    await service.add_site("demo")  # which the contract's examples name
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={here / 'tests' / 'security' / 'schemathesis.toml'}",
        "run",
        f"{service.public}/openapi.json",
        "--seed=1",
        f"--max-examples={EXAMPLES}",
        "--no-color",
        cwd=tmp_path,
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _nothing = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert await service.metric('counter_request_seconds_count{route="/v1/hits",status="200"}') > 0
    assert (await service.hit()).status == 200
