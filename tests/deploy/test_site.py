"""The documentation is made from the code, whole, and loads nothing from elsewhere."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tools.document import pages

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\"> ]+")
"""What a browser asks for by itself; a link that a reader may follow is none."""


@pytest.mark.parametrize("name", sorted(pages()))
def test_reference_is_the_code(here: Path, name: str) -> None:
    """The committed page is what `make docs` writes."""
    assert (here / "docs" / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"


@pytest.mark.judged
def test_site_builds(here, tools, tmp_path):
    """The strict build finds each page in the menu and each link's target, and no page asks another host for anything."""
    built = subprocess.run(
        [tools("docs") / "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=here, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    found = list(tmp_path.rglob("*.html"))
    assert len(found) > len(list((here / "docs").rglob("*.md")))
    assert [hit for page in found for hit in LOADED.findall(page.read_text(encoding="utf-8"))] == []
    assert not any(
        "fonts.googleapis" in sheet.read_text(encoding="utf-8") for sheet in tmp_path.rglob("*.css")
    )
