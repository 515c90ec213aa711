"""Which requests of a log count, and as what. Pure."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from counter.errors import InvalidInputError
from counter.hits.bots import is_bot as is_bot_agent
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

Told: TypeAlias = tuple[int, bytes | None, str]
"""A hit of which a line tells: its time in ms since the epoch, the visitor's id (None of a bot), the page."""

_OK: Final = range(200, 300)
_NOT_MODIFIED: Final = 304


class Page(NamedTuple):
    """The page that a request showed, or why it showed none."""

    path: str
    reason: str = ""


class Agent(NamedTuple):
    """A user agent as it is judged: what counts of it for the visitor's id."""

    is_bot: bool
    text: str


class Chooser:
    """Makes hits of what a log tells.

    Attributes:
        may_refuse: whether `refuse` has a reason for any request.
    """

    def __init__(self, plan: Plan) -> None:
        self.may_refuse = plan.options.until is not None or plan.options.bots == "skip"
        self._site = plan.site
        self._options = plan.options
        self._salt = plan.salt
        self._page_of: Callable[[LoggedRequest], str] = (
            self._shown_page if plan.options.requests == "pages" else self._any_page
        )

    def choose(self, request: LoggedRequest) -> Told | str:
        """Return the hit that a request was, or why it counts not."""
        page, agent = self.page_of(request), self.agent_of(request.agent)
        if reason := page.reason or self.refuse(request.at_ms, agent):
            return reason
        if agent.is_bot:
            return request.at_ms, None, ""
        return request.at_ms, self.visitor_of(sender_of(request.client), agent), page.path

    def page_of(self, request: LoggedRequest) -> Page:
        """Tell what a request showed, whoever sent it and whenever that was."""
        try:
            return Page(self._page_of(request))
        except InvalidInputError as reason:
            return Page("", str(reason))

    def agent_of(self, text: str | None) -> Agent:
        """Judge a user agent. Where the log has none (None), everybody is a person."""
        is_bot = self._options.bots != "in" and text is not None and is_bot_agent(text)
        return Agent(is_bot, (text or "")[:MAX_AGENT_CHARACTERS])

    def refuse(self, at_ms: int, agent: Agent) -> str:
        """Return why a request that showed a page does not count, empty if it does."""
        if self._options.until and self._site.span_of(at_ms).day > self._options.until:
            return "after --until"
        return "by a bot" if agent.is_bot and self._options.bots == "skip" else ""

    def visitor_of(self, sender: bytes, agent: Agent) -> bytes:
        """Return the id of a visitor."""
        return visitor_id(self._salt, self._site.key, sender, agent.text)

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


def sender_of(client: str) -> bytes:
    """Return what tells households apart of a client; a host name stands for an address."""
    address = parse_address(client)
    return network_of(address) if address else b"host:" + client.encode("utf-8", "surrogateescape")
