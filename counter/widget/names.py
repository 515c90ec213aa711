"""What the files of the script are called, and what pins them. Pure."""

from base64 import b64encode
from hashlib import sha384
from typing import Final, NamedTuple

DEFAULT_PATH: Final = "/counter.js"


class Pinned(NamedTuple):
    """A file under a name that never means another one.

    Attributes:
        address: its path on the service.
        integrity: what a page writes into its tag, so that the browser refuses any other content.
    """

    address: str
    integrity: str


def addresses_of(script_path: str) -> dict[str, str]:
    """Return where the script (`counter`) and the file that it loads (`more`) are."""
    folder = script_path.rpartition("/")[0]
    return {"counter": script_path, "more": f"{folder}/more.js"}


def address_of_build(script_path: str, name: str) -> str:
    """Return the address of a build; the script's follows the name that the operator chose."""
    part, _, build = name.partition("-")
    return f"{addresses_of(script_path)[part].removesuffix('.js')}-{build}"


def integrity_of(body: bytes) -> str:
    """Return what stands in the `integrity` of a tag that loads this content."""
    return f"sha384-{b64encode(sha384(body).digest()).decode()}"
