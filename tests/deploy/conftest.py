"""The tools that judge the files of deploy/."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The folder of programs of an environment of tools, which is made if it is not there yet."""

    def of(name: str) -> Path:
        root = request.config.rootpath
        made = subprocess.run(
            ["sh", "deploy/tools.sh", name],
            cwd=root, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return root / "build" / "tools" / name / "bin"

    return of


@pytest.fixture
def system(here: Path) -> Callable[[str], str]:
    """The path of a program of the system, or of one that `deploy/bootstrap.sh test` unpacked."""

    def of(name: str) -> str:
        found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ["PATH"])
        unpacked = next(iter((here / ".venv" / name).glob(f"usr/*bin/{name}")), None)
        assert found or unpacked, f"run `sh deploy/bootstrap.sh test`, which brings {name}"
        return found or str(unpacked)

    return of
