"""Whether a user agent is a program that reads pages by itself. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Final

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from counter.hits.visitors import MAX_AGENT_CHARACTERS

_LITERAL: Final = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\[^\w\s])+")
"""A pattern that is a text, perhaps with escapes."""


def _any_of(patterns: Sequence[str]) -> str:
    """Return one expression for many.

    Most are texts. They share their beginnings here, so that at each place of an agent some letters are
    looked at, and not each of more than a thousand texts.
    """
    texts = [re.sub(r"\\(.)", r"\1", pattern) for pattern in patterns if _LITERAL.fullmatch(pattern)]
    others = [f"(?:{pattern})" for pattern in patterns if not _LITERAL.fullmatch(pattern)]
    return "|".join([_shared(sorted(set(texts))), *others])


def _shared(texts: Sequence[str]) -> str:
    """Return an expression for texts, in order, that looks at their common beginnings once."""
    if not texts[0]:
        return ""  # what is longer begins with it
    groups = [(first, [text[1:] for text in rest]) for first, rest in groupby(texts, key=itemgetter(0))]
    found = [re.escape(first) + _shared(rest) for first, rest in groups]
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"


_PATTERN: Final = re.compile(_any_of([entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA]))
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
