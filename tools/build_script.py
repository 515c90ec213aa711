"""Build the two files that pages load from their readable sources: `make script`.

The output is kept in the repository, so that who serves it needs no minifier, and so that the hash in a
page's `integrity` does not depend on which version of a minifier the server happened to have. A test holds
the output to the sources.
"""

import argparse
import gzip
import json
from hashlib import sha256
from pathlib import Path

import minify

WIDGET = Path(__file__).parents[1] / "counter" / "widget"
SOURCE = WIDGET / "source"
OUTPUT = WIDGET / "static" / "script"
CURRENT = "current.json"


def assemble() -> dict[str, str]:
    """Return the readable text of each file, by its name without suffix."""
    languages = json.loads(_read("languages.json"))
    style = minify.string("text/css", _read("block.css"))
    parts = [
        "(() => {\n'use strict';",
        f"const LANGUAGES = {json.dumps(languages, ensure_ascii=False)};",
        f"const STYLE = {json.dumps(style)};",
        _read("block.js"),
        _read("more.js"),
        "})();",
    ]
    return {"counter": _read("counter.js"), "more": "\n".join(parts)}


def build() -> dict[str, bytes]:
    """Return the minified files, by the names under which they are never changed."""
    built = {}
    for name, text in assemble().items():
        body = minify.string("text/javascript", text).encode()
        built[f"{name}-{sha256(body).hexdigest()[:10]}.js"] = body
    return built


def current(built: dict[str, bytes]) -> str:
    """Return the text of the file that says which of the kept files are the latest."""
    return json.dumps({name.partition("-")[0]: name for name in built}, indent=2) + "\n"


def main() -> None:
    """Write the files; the build before goes, unless `--keep` says that it was released."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="the build before this one was released; keep it")
    keep = parser.parse_args().keep
    built = build()
    OUTPUT.mkdir(exist_ok=True)
    latest = OUTPUT / CURRENT
    if latest.exists() and not keep:
        for name in json.loads(latest.read_text(encoding="utf-8")).values():
            (OUTPUT / name).unlink(missing_ok=True)
    for name, body in built.items():
        (OUTPUT / name).write_bytes(body)
        print(f"{name}: {len(body)} bytes, {len(gzip.compress(body, 9, mtime=0))} gzipped")  # noqa: T201
    latest.write_text(current(built), encoding="utf-8")


def _read(name: str) -> str:
    return (SOURCE / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
