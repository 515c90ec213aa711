"""The script with a token in it, for sites that ask each hit for one."""

import json
from collections.abc import Callable

from aiohttp import web

from counter.errors import InvalidInputError
from counter.http import ANY_ORIGIN, NO_STORE, SAFE
from counter.sites.model import KEY_PATTERN, Site
from counter.sites.registry import SiteRegistry
from counter.widget.files import script_text

IssueToken = Callable[[web.Request, Site], str]
"""Takes the request of a client, whose network may use the token."""


class SignedScript:
    """Serves `counter.js` to one network at a time; nobody may keep it."""

    def __init__(self, sites: SiteRegistry, issue_token: IssueToken) -> None:
        self._sites = sites
        self._issue_token = issue_token
        self._text = script_text("counter")

    def routes(self) -> list[web.RouteDef]:
        """Return the address of the script."""
        return [web.get("/signed.js", self.get_script, allow_head=False)]

    async def get_script(self, request: web.Request) -> web.Response:
        """Answer with the script, which sends the token with each hit of this page."""
        key = request.query.get("site", "")
        if not KEY_PATTERN.fullmatch(key):
            raise InvalidInputError("no site has a key like this")
        token = self._issue_token(request, self._sites.find(key))
        return web.Response(
            text=f"document.currentScript.dataset.token={json.dumps(token)};{self._text}",
            content_type="text/javascript",
            charset="utf-8",
            headers=ANY_ORIGIN | NO_STORE | SAFE,
        )
