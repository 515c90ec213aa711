"""Who sends hits and reads numbers, and writes down what was answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.chaos.lives import Life, Slot
from tests.chaos.oracle import Fate, Observed, Outcome, Reading
from tests.chaos.plan import SITES, Form, Hit

ANSWER_SECONDS: Final = 5.0
READ_PAUSE_SECONDS: Final = 0.1
BROWSER: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
)


class Clients:
    """Sends hits, each over a connection of its own, and reads the numbers of every worker."""

    def __init__(self, session: ClientSession, slots: Sequence[Slot], observed: Observed) -> None:
        self._session = session
        self._slots = slots
        self._observed = observed

    @classmethod
    @asynccontextmanager
    async def of(cls, slots: Sequence[Slot], observed: Observed) -> AsyncIterator["Clients"]:
        """Yield clients of some workers."""
        async with ClientSession(
            connector=TCPConnector(force_close=True, limit=0), timeout=ClientTimeout(total=ANSWER_SECONDS)
        ) as session:
            yield cls(session, slots, observed)

    async def send_all(self, hits: Sequence[Hit], begun_at: float) -> None:
        """Send each hit at its time, and wait for all answers."""
        async with asyncio.TaskGroup() as sending:
            for hit in hits:
                await asyncio.sleep(begun_at + hit.at - _now())
                sending.create_task(self.send(hit))

    async def send(self, hit: Hit) -> Outcome:
        """Send a hit and write down its fate."""
        life, began_at = self._pick(hit.worker), _now()
        status, answer, sent = 0, None, life is not None
        try:
            if life:
                status, answer = await self._ask(life.url, hit)
        except ClientConnectorError:
            sent = hit.form is Form.PIXEL  # a GET was perhaps sent before, on a connection that broke
        except (ClientError, OSError, TimeoutError):
            pass
        page_views = answer["page"]["views"] if answer else None
        outcome = Outcome(hit, _fate(status, sent=sent), status, began_at, _now(), page_views)
        self._observed.outcomes.append(outcome)
        if answer and life:
            self._read_off(life.pid, hit.site, began_at, status, answer)
        return outcome

    def _pick(self, worker: int) -> Life | None:
        """Return the process of a worker, or of another one where it has none, as a load balancer does."""
        for number in range(len(self._slots)):
            life = self._slots[(worker + number) % len(self._slots)].life
            if life and life.url:
                return life
        return None

    async def read_always(self, slot: Slot) -> None:
        """Ask a worker for the totals of all sites, again and again."""
        while True:
            for site in SITES:
                if slot.url:
                    await self.read(slot, site.key)
            await asyncio.sleep(READ_PAUSE_SECONDS)

    async def read(self, slot: Slot, site: str, metric: str = "views") -> dict[str, Any] | None:
        """Ask a worker for a site's numbers; write down what it says of views."""
        began_at, life = _now(), slot.life
        if life is None or not life.url:
            return None
        try:
            async with self._session.get(f"{life.url}/v1/sites/{site}/widget?metric={metric}") as response:
                body = await response.read()
        except (ClientError, OSError, TimeoutError):
            return None
        answer: dict[str, Any] | None = json.loads(body) if response.status == 200 else None
        if metric == "views":
            self._read_off(life.pid, site, began_at, response.status, answer)
        return answer

    def _read_off(
        self, process: int, site: str, began_at: float, status: int, answer: dict[str, Any] | None
    ) -> None:
        total = answer["total"] if answer else None
        stale = bool(answer and answer["meta"]["stale"])
        self._observed.readings.append(Reading(process, site, began_at, _now(), status, total, stale))

    async def _ask(self, url: str, hit: Hit) -> tuple[int, dict[str, Any] | None]:
        """Return the answer's status, and its numbers if it has some."""
        headers = {
            "User-Agent": f"{BROWSER} Reader/{hit.visitor}",
            "X-Forwarded-For": f"10.1.{hit.visitor // 250}.{hit.visitor % 250 + 1}",
            "Content-Type": "text/plain",
        }
        if hit.form is Form.PIXEL:
            address, asked = f"{url}/v1/hits.gif", {"site": hit.site, "path": hit.page}
            async with self._session.get(address, params=asked, headers=headers) as response:
                await response.read()
                return response.status, None
        address, body = _beacon(hit)
        async with self._session.post(url + address, data=body, headers=headers) as response:
            answer = await response.read()
            numbers = hit.form is Form.NUMBERS and response.status in {200, 202} and answer
            return response.status, json.loads(answer) if numbers else None


def _beacon(hit: Hit) -> tuple[str, str]:
    """Return where a hit is posted, and its body."""
    if hit.form is Form.HEARTBEAT:
        return "/v1/heartbeats", json.dumps({"site": hit.site})
    if hit.form is Form.BROKEN:
        return "/v1/hits", json.dumps({"site": hit.site, "path": hit.page})[:-1]
    site = "stranger" if hit.form is Form.STRANGER else hit.site
    return f"/v1/hits{'?quiet=1' if hit.form is Form.QUIET else ''}", json.dumps(
        {"site": site, "path": hit.page}
    )


def _fate(status: int, *, sent: bool) -> Fate:
    if 200 <= status < 300:
        return Fate.ACKNOWLEDGED
    return Fate.REFUSED if not sent or 400 <= status < 500 else Fate.UNKNOWN


def _now() -> float:
    return asyncio.get_running_loop().time()
