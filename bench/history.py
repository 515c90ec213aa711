"""Ten years of many sites in Postgres: how long it takes to get the history of one of them, and its total."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from statistics import median
from time import perf_counter

from aiohttp import ClientSession

from bench.figures import Figure, Rounds
from bench.load import LoadError
from bench.place import HOSTS, Place
from counter.aggregates.store import AggregateStore, RowKey
from counter.buckets.base import BASE_DAYS
from counter.buckets.connection import open_servers
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore
from counter.database import Connection, connected, open_pool
from counter.memory import settled
from counter.rollup.bases import make_bases
from counter.sites.calendar import DAY
from counter.sites.store import SiteStore
from counter.widget.past import Past
from counter.widget.periods import Period, bins, cut

DAYS = 3650
ROWS = 10_000_000
TIMES = 100
"""How often each is asked for in a round, each time of a site at random."""
FILL_SECONDS = 300

ADD_SITES = """
insert into sites (key, hosts, public_stats)
select 'bench-' || number, $1, true from generate_series(0, $2::integer - 1) as number
"""
INDEXES = """
select
    case when contype is null then pg_get_indexdef(indexrelid)
        else format('alter table aggregates add constraint %I %s', conname, pg_get_constraintdef(pg_constraint.oid)) end,
    case when contype is null then 'drop index ' || indexrelid::regclass
        else format('alter table aggregates drop constraint %I', conname) end
from pg_index left join pg_constraint on conindid = indexrelid
where indrelid = 'aggregates'::regclass
"""
FILL = """
insert into aggregates (
    site_id, day, lane, generation, part, views, visits, visitors, bots, hour_views, hour_visits, hyperloglog, version,
    tokens, rolled_up_at
)
select
    sites.id, current_date - age, '0', '0193a5b2c4dfa1b2c3', age, 300 + sites.id, 100 + sites.id, 80, 5,
    case when age < 90 then array_fill(12::bigint, array[24]) end,
    case when age < 90 then array_fill(4::bigint, array[24]) end,
    '', 1000, '{"0123456789abcdef": 123456}', current_date - age
from generate_series($1::integer, 1, -1) as age cross join sites
"""
"""Row by row as time brings them, so the days of a site lie far apart; hours are kept for ninety days."""


async def history(place: Place, rounds: Rounds) -> list[Figure]:
    """A site's ten years by day and by month, and its total, where ten million rows are.

    Days and months are what the service asks of Postgres; the months also over HTTP, from request to answer.
    """
    async with connected(place.postgres.url) as connection:
        rows = await _fill(connection)
        sites = await SiteStore(connection).list_all()
        today = datetime.now(UTC).date()
        ten_years = Period(today - timedelta(days=DAYS), today)

        async def total() -> None:
            site = random.choice(sites).id  # noqa: S311 - no secret
            open_row = RowKey(site, today, "0193a5b2c4dfa1b2c4", 1, "0")
            await make_bases([site], [open_row], AggregateStore(connection), _ms(today))

        async with (
            open_pool(place.postgres.url) as pool,
            open_servers(place.valkey.url, timeout_seconds=5) as servers,
        ):
            past = Past(BucketStore(servers, [LaneKeys("0")], lambda: "bench"), pool)

            async def days() -> None:
                found, _first = await past.days(random.choice(sites), ten_years)  # noqa: S311
                _check(len(found), DAYS)

            months = cut(bins("month", ten_years, 1), today - BASE_DAYS * DAY)

            async def sums() -> None:
                found, _first = await past.days(random.choice(sites), ten_years, months)  # noqa: S311
                _check(len(found), len(months.starts) + (today - months.singly).days)

            with settled():
                by_day, by_month = await _timed(days, rounds.enough), await _timed(sums, rounds.enough)
                totals = await _timed(total, rounds.enough)
    over_http = await _over_http(place, [site.key for site in sites], ten_years, rounds.enough)
    return [
        _figure(f"ms for ten years of a site by day among {rows:,} rows, median", by_day, 0.5),
        _figure("ms for the same by month", by_month, 0.5),
        _figure("ms for the same by month over HTTP", over_http, 0.5),
        _figure(f"ms for a total among {rows:,} rows, p99", totals, 0.99),
    ]


async def _over_http(place: Place, keys: list[str], ten_years: Period, rounds: int) -> list[list[float]]:
    """Ask for months of sites whose numbers are known, each once, so nothing is remembered of what is asked."""
    measured = []
    query = f"unit=month&from={ten_years.first + timedelta(days=1)}&to={ten_years.last}"
    asked = iter(random.sample(keys, rounds * TIMES))
    async with place.serving() as service, ClientSession(raise_for_status=True) as session:
        for _ in range(rounds):
            took = []
            for _, key in zip(range(TIMES), asked, strict=False):
                url = f"{service.public}/v1/sites/{key}"
                async with session.get(f"{url}/widget") as answer:
                    await answer.read()
                began = perf_counter()
                async with session.get(f"{url}/history?{query}") as answer:
                    await answer.read()
                took.append(1000 * (perf_counter() - began))
            measured.append(sorted(took))
    return measured


async def _fill(connection: Connection) -> int:
    """Fill the aggregates, and return how many rows they have; the indexes are made when all are there."""
    number = max(1, ROWS // DAYS)
    await connection.execute(ADD_SITES, list(HOSTS), number)
    indexes = await connection.fetch(INDEXES)
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute("set local maintenance_work_mem = '256MB'")
        await connection.execute("truncate aggregates")
        for _make, drop in indexes:
            await connection.execute(drop)
        await connection.execute(FILL, DAYS, timeout=FILL_SECONDS)
        for make, _drop in indexes:
            await connection.execute(make, timeout=FILL_SECONDS)
    await connection.execute("vacuum (analyze)", timeout=FILL_SECONDS)
    await connection.execute("checkpoint", timeout=FILL_SECONDS)  # or it goes on while others are timed
    return number * DAYS


async def _timed(call: Callable[[], Awaitable[None]], rounds: int) -> list[list[float]]:
    """Return, for each round, how many ms the calls took, in order."""
    measured = []
    for _ in range(rounds):
        took = []
        for _ in range(TIMES):
            began = perf_counter()
            await call()
            took.append(1000 * (perf_counter() - began))
        measured.append(sorted(took))
    return measured


def _figure(name: str, measured: list[list[float]], share: float) -> Figure:
    """Show the times within which a share of the calls came back, and in `raw` half and 99 % of them."""
    values = [took[int(share * (len(took) - 1))] for took in measured]
    raw = [f"{took[len(took) // 2]:.2f}/{took[int(0.99 * (len(took) - 1))]:.2f}" for took in measured]
    return Figure(name, median(values), 10, at_most=True, raw=raw)


def _check(found: int, filled_in: int) -> None:
    if found != filled_in:
        raise LoadError("the history is not what was filled in")


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000)
