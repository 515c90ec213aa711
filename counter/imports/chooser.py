"""Which requests of a log count, and as what. Pure."""

from collections.abc import Callable
from typing import Final

from counter.buckets.batch import Hit, Kind
from counter.errors import InvalidInputError
from counter.hits.bots import is_bot
from counter.hits.visitors import MAX_AGENT_CHARACTERS, network_of, parse_address, visitor_id
from counter.imports.logs import LoggedRequest
from counter.imports.plan import Plan
from counter.sites.paths import OTHER, normalise

NO_PAGES: Final = frozenset(
    (  # noqa: SIM905 - a list of seventy strings reads worse
        "css js mjs map json xml rss atom txt webmanifest wasm "
        "png jpg jpeg gif webp avif svg ico bmp tif tiff woff woff2 ttf otf eot "
        "mp3 m4a ogg oga wav flac mp4 m4v ogv webm mov avi wmv flv swf "
        "pdf doc docx xls xlsx ppt pptx odt ods odp rtf csv epub "
        "zip gz tgz bz2 xz 7z rar tar iso dmg exe msi deb rpm apk jar bin"
    ).split()
)
"""Endings of files that carry no script tag, so that they do not count live either."""

_OK: Final = range(200, 300)
_NOT_MODIFIED: Final = 304


class Chooser:
    """Makes hits of what a log tells."""

    def __init__(self, plan: Plan) -> None:
        self._site = plan.site
        self._options = plan.options
        self._salt = plan.salt
        self._page_of: Callable[[LoggedRequest], str] = (
            self._shown_page if plan.options.requests == "pages" else self._any_page
        )

    def choose(self, request: LoggedRequest) -> Hit | str:
        """Return the hit that a request was, or why it counts not.

        A bot is told by its user agent; where the log has none, everybody is a person.
        """
        try:
            path = self._page_of(request)
        except InvalidInputError as reason:
            return str(reason)
        if self._options.until and self._site.span_of(request.at_ms).day > self._options.until:
            return "after --until"
        if self._options.bots != "in" and request.agent is not None and is_bot(request.agent):
            return "by a bot" if self._options.bots == "skip" else Hit(self._site, request.at_ms, Kind.BOT)
        return Hit(self._site, request.at_ms, Kind.VIEW, path, self._visitor(request))

    def _shown_page(self, request: LoggedRequest) -> str:
        if request.method != "GET":
            raise InvalidInputError("not a GET")
        if request.status not in _OK and request.status != _NOT_MODIFIED:
            raise InvalidInputError("no page was answered")
        path = normalise(request.target, self._site.settings.query_allow)
        file = path.partition("?")[0].rpartition("/")[2]
        if "." in file and file.rpartition(".")[2].lower() in NO_PAGES:
            raise InvalidInputError("a file, no page")
        return path

    def _any_page(self, request: LoggedRequest) -> str:
        try:
            return normalise(request.target, self._site.settings.query_allow)
        except InvalidInputError:
            return OTHER

    def _visitor(self, request: LoggedRequest) -> bytes:
        address = parse_address(request.client)
        network = (
            network_of(address) if address else b"host:" + request.client.encode("utf-8", "surrogateescape")
        )
        return visitor_id(self._salt, self._site.key, network, (request.agent or "")[:MAX_AGENT_CHARACTERS])
