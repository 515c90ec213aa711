"""What a webmaster copies into pages: the markup of a site, ready to be pasted. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from counter.config import Settings
from counter.widget.names import Pinned


class Snippet(NamedTuple):
    """A piece of markup, and what it is for."""

    purpose: str
    markup: str


def snippets(key: str, settings: Settings, pinned: Mapping[str, Pinned]) -> list[Snippet]:
    """Return the markup of a site.

    Args:
        key: of the site.
        settings: tell under which addresses pages reach the service.
        pinned: the latest build of `counter` and `more`.
    """
    host, api = settings.public_url, settings.public_url + settings.api_path
    tag = f'data-site="{key}"{_api_option(settings)}'
    script, more = pinned["counter"], pinned["more"]
    return [
        Snippet(
            "The script, once in each page",
            f'<script async src="{host}{settings.script_path}" {tag}></script>',
        ),
        Snippet(
            "The same, pinned: no other content is run, and an upgrade changes nothing until you change it",
            f'<script async src="{host}{script.address}" crossorigin {tag} data-more\n'
            f'  integrity="{script.integrity}"></script>\n'
            f'<script async src="{host}{more.address}" crossorigin\n'
            f'  integrity="{more.integrity}"></script>',
        ),
        Snippet(
            "The block; data-theme is plain, card, line or digits",
            '<div data-counter-widget data-theme="card"></div>',
        ),
        Snippet(
            "Or markup of your own; until the numbers come, and without them, the text stays",
            'Đang truy cập: <span data-counter="online">…</span>\n'
            'Hôm nay: <span data-counter="today">…</span>\n'
            'Trong tuần: <span data-counter="week">…</span>\n'
            'Tháng hiện tại: <span data-counter="month">…</span>\n'
            'Tổng lượt truy cập: <span data-counter="total">…</span>',
        ),
        Snippet(
            "Views of this page, and of others in a list",
            "Lượt xem: <span data-counter-views>…</span>\n"
            'Lượt xem: <span data-counter-views="/tin-tuc/bai-1">…</span>',
        ),
        Snippet(
            "Readers without JavaScript; write each page's own path",
            f'<noscript><img src="{api}hits.gif?site={key}&amp;path=/this-page" width="1" height="1" alt="">'
            "</noscript>",
        ),
        Snippet(
            "Numbers where no script is allowed: a picture, a frame",
            f'<img src="{api}sites/{key}/badge.svg" alt="Tổng lượt truy cập">\n'
            f'<iframe src="{host}/embed/{key}" title="Thống kê truy cập" width="320" height="300"\n'
            '  loading="lazy"></iframe>',
        ),
        Snippet(
            "The numbers of this site on pages that it does not count",
            f'<script async src="{host}{_beside(settings, "more.js")}"{_api_option(settings)}></script>\n'
            f'<visitor-counter site="{key}" theme="digits" lang="vi"></visitor-counter>',
        ),
        Snippet(
            "A link for who does not want to be counted, and back",
            '<a href="#counter-optout">Không đếm tôi</a> <a href="#counter-optin">Đếm tôi</a>',
        ),
        Snippet(
            "What a Content-Security-Policy must allow",
            f"script-src {host}; connect-src {host}",
        ),
    ]


def _api_option(settings: Settings) -> str:
    """Return the option that a tag needs, unless the interface is where the script looks for it."""
    return "" if settings.api_path == _beside(settings, "v1/") else f' data-api="{settings.api_path}"'


def _beside(settings: Settings, name: str) -> str:
    return f"{settings.script_path.rpartition('/')[0]}/{name}"
