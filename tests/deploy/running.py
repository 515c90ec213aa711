"""Runs a tool that judges a file."""

import subprocess
from pathlib import Path
from typing import Any


def must(*words: str | Path, **options: Any) -> str:
    ran = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
