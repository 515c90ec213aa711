"""Whether a user agent is a program that reads pages by itself. Pure."""

import re
from functools import lru_cache
from typing import Final

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from counter.hits.visitors import MAX_AGENT_CHARACTERS

_PATTERN: Final = re.compile("|".join(f"(?:{entry['pattern']})" for entry in CRAWLER_USER_AGENTS_DATA))
_OWN_PATTERN: Final = re.compile(r"(?<!cu)bot\b|crawl|spider|headless|https?://|^\S+$", re.IGNORECASE)
"""What the list may not have yet: agents that call themselves so, name a web page, or are a single word.

Cubot is a maker of telephones."""


@lru_cache(maxsize=16_384)
def is_bot(agent: str) -> bool:
    """Tell whether the user agent is a bot's; an empty one is.

    Only the first 512 characters are looked at, as a longer text can keep an expression busy for seconds.
    """
    cut = agent[:MAX_AGENT_CHARACTERS]
    return not cut or bool(_OWN_PATTERN.search(cut) or _PATTERN.search(cut))
