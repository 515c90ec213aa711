"""Who is let in while a salt has to be fetched from a real server."""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from counter.buckets.batch import Kind
from counter.buckets.connection import open_servers
from counter.buckets.salts import Salts
from counter.clock import system_clock
from counter.hits.admission import Verdict
from counter.hits.gate import Gate
from counter.hits.limits import Limits, Rates
from counter.hits.senders import Senders
from counter.metrics import Metrics
from tests.unit.making import site_with

RATES = Rates(address_per_second=0, network_per_second=0, site_per_second=0, new_visitors_per_minute=1)
BURST = 5
"""New visitors that an address may have at once."""


@dataclass(frozen=True)
class Beacon:
    """What the gate looks at."""

    headers: CIMultiDictProxy[str]
    remote: str = "127.0.0.1"
    raw_path: str = "/v1/hits"


def beacon(address: str, agent: str) -> Beacon:
    return Beacon(CIMultiDictProxy(CIMultiDict({"X-Forwarded-For": address, "User-Agent": agent})))


async def test_addresses_that_wait_for_a_salt_keep_their_accounts_apart(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait together, and however few are remembered, nobody is counted against somebody else."""
    monkeypatch.setattr("counter.hits.limits.ADDRESSES", 1)
    senders = Senders([ip_network("127.0.0.1/32")], "X-Forwarded-For", Metrics().http)
    limits = Limits(RATES, asyncio.get_running_loop().time)
    beacons = [
        beacon(
            f"203.0.113.{host}", f"Mozilla/5.0 (Windows NT 10.0; rv:{number}.0) Gecko/20100101 Firefox/1.0"
        )
        for host in range(1, 11)
        for number in range(BURST)
    ]
    async with open_servers(redis_url, timeout_seconds=5) as servers:
        gate = Gate(Salts(servers, system_clock), system_clock, limits, senders.find)
        site = site_with()
        found = await asyncio.gather(*(gate.admit(each, site, Kind.VIEW, "/") for each in beacons))
    assert [each.verdict for each in found] == [Verdict.VIEW] * len(beacons)
