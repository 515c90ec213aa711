"""A complete small page with the block, for an iframe. Pure."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from counter.sites.model import Metric
from counter.widget.block import Style, fragment, note_of
from counter.widget.locales import Language
from counter.widget.markup import document, element
from counter.widget.render import Numbers

REFRESH_SECONDS: Final = 30
AddressOf = Callable[[str], str]
"""Gives the address of a file of ours, seen from the page."""


class EmbedPage(NamedTuple):
    """What the page shows.

    Attributes:
        source: address of the numbers, seen from the page.
        numbers: None if they cannot be read.
        stale: they could not be read anew.
    """

    title: str
    source: str
    numbers: Numbers | None
    metric: Metric
    stale: bool


def embed_page(page: EmbedPage, style: Style, language: Language, asset: AddressOf) -> bytes:
    """Return the page; a script keeps it up to date, and without scripts it loads itself anew."""
    note = note_of(page.numbers, language, stale=page.stale)
    digits = style.theme == "digits"
    body = fragment(page.numbers, page.metric, language, note, digits=digits, title="h1")
    return document(
        element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("title", page.title),
                element("link", rel="stylesheet", href=asset("embed.css")),
                element("script", src=asset("live.js"), defer=True),
                element("noscript", element("meta", http_equiv="refresh", content=str(2 * REFRESH_SECONDS))),
            ),
            element(
                "body",
                element("main", body),
                class_=f"theme-{style.theme}",
                data_source=page.source,
                data_seconds=REFRESH_SECONDS,
                data_stale=language.words.stale,
                data_unavailable=language.words.unavailable,
            ),
            lang=language.code,
            dir=language.direction,
            class_=f"scheme-{style.scheme}",
        )
    )


def frame_ancestors(hosts: Sequence[str]) -> str:
    """Return who may frame the page: pages of the site's hosts on any port; anybody where no host is listed.

    A host with a port is taken as it is. Hosts are checked when they are set, so nothing else can get into
    the header.
    """
    if not hosts:
        return "*"
    spelt = (host if ":" in host else f"{host}:*" for host in hosts)
    return " ".join(["'self'", *(f"{scheme}://{host}" for host in spelt for scheme in ("https", "http"))])
