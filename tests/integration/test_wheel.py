"""The wheel: the same bytes wherever it is built, and all that the program needs in it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

MADE_OF = ("counter", "sql", "pyproject.toml", "README.md", "LICENSE")
SOURCE_DATE_EPOCH = "1700000000"


def build(here: Path, folder: Path, *, umask: int, touched: float) -> Path:
    """Build the wheel of a copy of the sources in another folder, with other times and rights, and return it."""
    folder.mkdir()
    for name in MADE_OF:
        if (here / name).is_dir():
            shutil.copytree(here / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here / name, folder)
    for file in folder.rglob("*"):
        file.chmod((0o777 if file.is_dir() else 0o666) & ~umask)
        os.utime(file, (touched, touched))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "--target",
            "wheel",
            "--directory",
            str(folder / "dist"),
        ],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH, "TZ": f"UTC{umask}"},
        check=True,
        capture_output=True,
    )
    (wheel,) = (folder / "dist").iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    here, folder = request.config.rootpath, tmp_path_factory.mktemp("wheels")
    return (
        build(here, folder / "one", umask=0o022, touched=1_600_000_000),
        build(here, folder / "the other one", umask=0o002, touched=1_650_000_001),
    )


def test_wheel_is_the_same_wherever_it_is_built(wheels: tuple[Path, Path]) -> None:
    """Whoever builds the same sources can check that a wheel is made of them."""
    one, other = wheels
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def test_wheel_holds_the_program_and_nothing_else(wheels: tuple[Path, Path], here: Path) -> None:
    """All modules, Lua, SQL, pages and the licence are in it; tests and secrets are not."""
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = set(wheel.namelist())
    sources = {
        path for path in (here / "counter").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    queries = {path for path in (here / "sql").rglob("*") if path.is_file()}
    expected = {str(path.relative_to(here)) for path in sources}
    expected |= {"counter/_sql/" + str(path.relative_to(here / "sql")) for path in queries}
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == expected
    assert {name.rpartition("/")[2] for name in about} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "LICENSE",
        "entry_points.txt",
    }
