"""How every answer is made: errors as problem+json, and CORS."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from itertools import count
from typing import Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from counter.asked import Asked
from counter.errors import CounterError
from counter.metrics import HttpMetrics
from counter.ready import EMPTY, Head, Ready

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
NO_STORE: Final = {"Cache-Control": "no-store"}
SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""For all that is no page; a page brings a policy of its own."""
PREFLIGHT_SECONDS: Final = 86_400
RETRY_SECONDS: Final = 5
COMPRESSED_BYTES: Final = 4096
JSON_TYPE: Final = "application/json; charset=utf-8"
API_PREFIX: Final = "/v1/"
REQUEST_ID: Final = "Counter-Request-Id"

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UNREAD: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
"""After these the rest of the body is of no interest, so the connection ends."""

log = structlog.get_logger(__name__)


@lru_cache(maxsize=64)
def json_head(status: int, cache_control: str) -> Head:
    """Return the head of JSON that any page may read."""
    type_ = {} if status == HTTPStatus.NOT_MODIFIED else {"Content-Type": JSON_TYPE}
    return Head(status, {**type_, **ANY_ORIGIN, **SAFE, "Cache-Control": cache_control})


def json_answer(body: bytes, more: Mapping[str, str] = EMPTY, status: int = 200) -> Ready:
    """Answer with JSON that any page may read, and nobody may keep."""
    return Ready(json_head(status, "no-store"), body, more)


def cacheable_json(request: Asked, body: bytes, etag: str, cache_control: str) -> Ready | web.Response:
    """Answer with JSON, or with 304 if the client has these numbers already."""
    if len(body) >= COMPRESSED_BYTES:
        headers = ANY_ORIGIN | {"Cache-Control": cache_control}
        return cacheable(request, body, etag, "application/json", headers)
    if _knows(request, etag):
        return Ready(json_head(HTTPStatus.NOT_MODIFIED, cache_control), more={"ETag": etag})
    return Ready(json_head(HTTPStatus.OK, cache_control), body, {"ETag": etag})


def cacheable(  # noqa: PLR0917 - what a client sees of an answer, in this order
    request: Asked,
    body: bytes,
    etag: str,
    content_type: str,
    headers: dict[str, str],
    status: int = 200,
) -> web.Response:
    """Answer with a text of some type, or with 304 if the client has it already."""
    sent = SAFE | headers | {"ETag": etag}
    if len(body) >= COMPRESSED_BYTES:
        sent["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    if status == HTTPStatus.OK and _knows(request, etag):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=sent)
    answer = web.Response(body=body, status=status, content_type=content_type, charset="utf-8", headers=sent)
    if len(body) >= COMPRESSED_BYTES:
        answer.enable_compression()  # if the client takes it
    return answer


def _knows(request: Asked, etag: str) -> bool:
    known = request.headers.get("If-None-Match")
    return known is not None and (known == etag or etag in (tag.strip() for tag in known.split(",")))


_NO_CONTENT: Final[dict[int, Head]] = {
    status: Head(status, ANY_ORIGIN | NO_STORE) for status in (HTTPStatus.NO_CONTENT, HTTPStatus.ACCEPTED)
}


def no_content(status: int = HTTPStatus.NO_CONTENT, more: Mapping[str, str] = EMPTY) -> Ready:
    """Answer a beacon that gets no numbers: 204, or 202."""
    return Ready(_NO_CONTENT[status], more=more)


def preflight(methods: str) -> Handler:
    """Return the handler that lets pages of any origin use `methods`."""
    headers = ANY_ORIGIN | {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Content-Type, If-None-Match",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        "Allow": methods,
    }

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    return answer


def problem(status: int, kind: str, detail: str) -> web.Response:
    """Answer with an error as RFC 9457 describes it; `kind` is stable, `detail` is for people."""
    title = HTTPStatus(status).phrase
    body = {"type": f"urn:counter:problem:{kind}", "title": title, "status": status, "detail": detail}
    headers = ANY_ORIGIN | NO_STORE | SAFE
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = headers | {"Retry-After": str(RETRY_SECONDS)}
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/problem+json",
        headers=headers,
    )


def ready_problem(error: CounterError) -> Ready:
    """Answer with an error, past aiohttp."""
    answer = problem(error.status, error.kind, error.public_detail)
    assert isinstance(answer.body, bytes)  # noqa: S101 - as `problem` made it
    return Ready(Head(answer.status, answer.headers), answer.body)


def also_under(prefix: str, routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
    """Return the routes, and those of the interface a second time under a prefix of the operator's own."""
    own = list(routes)
    if prefix == API_PREFIX:
        return own
    interface = [route for route in own if route.path.startswith(API_PREFIX)]
    return own + [
        web.RouteDef(route.method, prefix + route.path.removeprefix(API_PREFIX), route.handler, route.kwargs)
        for route in interface
    ]


def as_problem(error: web.HTTPException) -> web.Response:
    """Answer what aiohttp refuses: an unknown address, a wrong method, an expectation."""
    answer = problem(error.status, error.reason.lower().replace(" ", "-"), error.reason)
    answer.headers[REQUEST_ID] = new_request_id()
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def strict_transport(seconds: int) -> dict[str, str]:
    """Return the header that keeps browsers on TLS for so long, none for 0."""
    return {"Strict-Transport-Security": f"max-age={seconds}"} if seconds else {}


PROCESS: Final = secrets.token_hex(4)
"""How the ids of this process's requests begin."""
_numbers: Final = count(secrets.randbelow(2**31))


def new_request_id() -> str:
    """Return what joins an answer to what the log says of it; what a client sends in its place is ignored."""
    return f"{PROCESS}{next_request():08x}"


def next_request() -> int:
    """Return the number of the next request, with which its id ends."""
    return next(_numbers) & 0xFFFFFFFF


def error_middleware(metrics: HttpMetrics, always: Mapping[str, str] = EMPTY) -> Middleware:
    """Return the one place where errors become answers, and requests are timed and named.

    Args:
        metrics: get the times.
        always: headers of every answer.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "none"
        began_at = _now()
        request_id = new_request_id()
        answer = await answer_errors(request, handler, request_id, route)
        response = answer.response() if isinstance(answer, Ready) else answer
        response.headers[REQUEST_ID] = request_id
        response.headers.update(always)
        metrics.request_seconds.labels(route, str(response.status)).observe(_now() - began_at)
        return response

    return middleware


async def answer_errors(
    request: web.Request, handler: Handler, request_id: str, route: str
) -> web.StreamResponse:
    """Let a handler answer, or answer its error: without a word of it, unless it is the client's own.

    Args:
        request: to be answered.
        handler: of its route.
        request_id: joins the answer to the log.
        route: the template of the address, for the log.
    """
    try:
        return await handler(request)
    except CounterError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request failed", request_id=request_id, kind=error.kind, reason=str(error))
        answer = problem(error.status, error.kind, error.public_detail)
        if error.status in _UNREAD:
            answer.force_close()
        return answer
    except web.HTTPException as error:
        return as_problem(error)
    except (ConnectionError, web.RequestPayloadError):
        return problem(HTTPStatus.BAD_REQUEST, "incomplete-request", "the request broke off")
    except Exception:
        log.exception("request broke", request_id=request_id, path_template=route)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "something is wrong here, not with you")


def same_origin_middleware() -> Middleware:
    """Return what keeps pages of other origins from changing anything through an administrator's browser."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in _READING and _is_from_elsewhere(request):
            raise CrossSiteError
        return await handler(request)

    return middleware


def _is_from_elsewhere(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host


class CrossSiteError(CounterError):
    """Only a page of this very listener may do this."""

    status = 403
    kind = "cross-site"


def _now() -> float:
    return asyncio.get_running_loop().time()
