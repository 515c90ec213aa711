"""The admin listener before several workers: their metrics and health as one, all else from one of them."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import ClientError, ClientTimeout, hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

from counter.admin.answers import exposition, health_json
from counter.errors import CounterError
from counter.workers.process import WorkerProcess
from counter.workers.questions import MetricsOfAll, Readiness, answering, readiness_of

CHUNK_BYTES: Final = 64 * 1024
ONLY_THIS_HOP: Final = frozenset(
    {hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.TRANSFER_ENCODING, hdrs.UPGRADE, hdrs.TE, hdrs.TRAILER}
)


class NoWorkerError(CounterError):
    """No worker can answer at the moment."""

    status = 503
    kind = "no-worker"


class TeamHandlers:
    """For Prometheus, load balancers and people who look after the service.

    Args:
        size: how many workers there are to be.
        ready: returns those that serve.
        metrics: adds up theirs.
        stop: is set when the service stops.
    """

    def __init__(
        self,
        size: int,
        ready: Callable[[], list[WorkerProcess]],
        metrics: MetricsOfAll,
        stop: asyncio.Event,
    ) -> None:
        self._size = size
        self._ready = ready
        self._metrics = metrics
        self._stop = stop

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this room."""
        return [
            web.get("/metrics", self.get_metrics),
            web.get("/healthz", self.get_health),
            web.get("/readyz", self.get_readiness),
            web.route("*", "/{other:.*}", self.pass_on),
        ]

    async def get_metrics(self, request: web.Request) -> web.Response:
        """Answer with the metrics of all workers, added up."""
        return exposition(request, await self._metrics.collect())

    async def get_health(self, _request: web.Request) -> web.Response:
        """Answer that the parent runs."""
        return health_json({"status": "alive"}, HTTPStatus.OK)

    async def get_readiness(self, _request: web.Request) -> web.Response:
        """Answer 200 if every worker can accept a hit, else 503, and name who cannot, and what is missing."""
        if self._stop.is_set():
            return health_json({"status": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)
        workers = self._ready()
        said = await asyncio.gather(*(readiness_of(worker) for worker in workers))
        found = dict(zip((worker.number for worker in workers), said, strict=True))
        states = {number: found[number].status if number in found else "starting" for number in self._places}
        ready = all(state == "ready" for state in states.values())
        not_ready = ", ".join(f"{number} is {state}" for number, state in states.items() if state != "ready")
        parts = _worst_of(list(found.values())) | {"workers": not_ready or "ok"}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return health_json({"status": "ready" if ready else "not ready", "parts": parts}, status)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Let the first worker answer whatever else the administrator asks."""
        worker = next(iter(answering(self._ready())), None)
        if worker is None:
            raise NoWorkerError
        try:
            async with worker.admin.request(
                request.method,
                "http://worker" + request.raw_path,
                headers=_without_hop(request.headers),
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
                timeout=ClientTimeout(total=None),
            ) as answer:
                response = web.StreamResponse(status=answer.status, headers=_without_hop(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (ClientError, TimeoutError) as error:
            raise NoWorkerError(f"the worker did not answer: {type(error).__name__}") from error

    @property
    def _places(self) -> range:
        return range(1, self._size + 1)


def _worst_of(said: list[Readiness]) -> dict[str, str]:
    """Return each part as the first worker sees it that has something to say of it."""
    parts: dict[str, str] = {}
    for each in said:
        for part, detail in each.parts.items():
            if parts.get(part, "ok") == "ok":
                parts[part] = detail
    return parts


def _without_hop(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in ONLY_THIS_HOP:
        kept.popall(name, None)
    return kept
