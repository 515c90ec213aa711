"""What mkdocs runs for each page: links that leave the documentation become plain names."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([A-Za-z0-9_][^)]*)\)")


def on_page_markdown(markdown: str, *, page: Any, **_rest: Any) -> str:
    """Return the page with links that leave the documentation as names of files."""
    depth = page.file.src_uri.count("/")

    def named(match: re.Match[str]) -> str:
        ups = match.group(0).count("../")
        text, target = match.group(1), match.group(2)
        if ups <= depth:
            return match.group(0)
        return text if target in text.replace("`", "") else f"{text} (`{target}`)"

    return _OUTSIDE.sub(named, markdown)
