"""`python -m bench.scaling`: the model held against what was measured, and what it says of larger loads.

Pure, but for the points that are read from `bench/points.json`: what `python -m bench.points` and `python -m bench.rows`
printed on the machine named in docs/scaling.md.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Final

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from bench.model import (
    BATCH_HITS,
    FITTED,
    Found,
    Prices,
    Setting,
    Simulation,
    fit,
    groups_of,
    redis_us,
)
from counter.buckets.keys import LaneKeys

POINTS: Final = Path(__file__).with_name("points.json")
BOUNDS: Final = {"hits a second": 0.6, "worker": 0.4, "Redis": 0.3}
"""How far the model may be off at any point, as a part of what was measured."""
PLANS: Final = ((1, 1e5), (10, 1e6), (100, 1e7), (1_000, 1e8), (10_000, 3e8), (100_000, 1e9))
"""Sites, and hits of a day of all of them together."""
PEAK_HOUR: Final = 0.10
"""The part of a day's hits that comes in its busiest hour."""
FULL: Final = 0.6
"""The part of a core that is planned to be busy then; the rest is for bursts, rollups and restarts."""
VIEWS_EACH: Final = 3
"""Views of a visitor in a day."""
VIEWS_OF_A_PAGE: Final = 10
"""Views of a page in a day; a site counts 10,000 pages apart at most."""
PAGE_CAP: Final = 10_000
WINDOW_SECONDS: Final = 1800 * (1 + 1 / 48) + 60
"""How long a visitor is kept in Redis: the visit timeout, and what comes upon it until old ones are forgotten."""
ROLLUP_SECONDS: Final = 10
LANES_OF_A_NODE: Final = 8
NODES: Final = (3, 6, 12)
LANES: Final = (1, 6, 24, 48, 96, 256)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load needs in its busiest hour."""

    sites: int
    hits: float
    peak: float
    batch_hits: float
    workers: int
    nodes: int
    lanes: int
    redis_gb: float
    aof_mb: float
    rows: float
    row_gb: float
    rollup_seconds: float


def plan(points: Mapping[str, Mapping[str, Any]], sites: int, hits: float) -> Plan:
    """Return what a day of `hits`, spread evenly over the sites, needs."""
    prices = fit(points)
    numbers = points["numbers"]["service_us"] - points["sixty-four"]["service_us"]
    peak = hits * PEAK_HOUR / 3600
    workers = nodes = lanes = 1
    while True:
        batch = batch_at(prices, peak / workers / lanes, ceil(sites / lanes))
        groups = groups_of(batch, ceil(sites / lanes)) / batch
        worker_us = prices.hit + numbers + prices.group * groups + prices.batch / batch
        redis = prices.redis_hit + prices.redis_group * groups + prices.redis_batch / batch
        redis *= master_part(points) if nodes > 1 else 1
        wanted_nodes = ceil(peak * redis / 1e6 / FULL)
        wanted_nodes = max(3, wanted_nodes) if wanted_nodes > 1 else 1  # a cluster has three masters at least
        wanted = max(workers, ceil(peak * worker_us / 1e6 / FULL)), max(nodes, wanted_nodes)
        if wanted == (workers, nodes):
            break
        workers, nodes = wanted
        lanes = LANES_OF_A_NODE * nodes if nodes > 1 else 1
    pages = min(PAGE_CAP, ceil(hits / sites / VIEWS_OF_A_PAGE)) * sites
    visitors = hits / sites / VIEWS_EACH
    kept = row_of(points, visitors)
    present = min(hits, peak * WINDOW_SECONDS) / VIEWS_EACH
    visitor_bytes = points["Redis seen"]["redis_bytes"]
    page_bytes = points["Redis pages"]["redis_bytes"] + points["Redis changed"]["redis_bytes"]
    held = present * visitor_bytes + pages * page_bytes + sites * kept["sketch"]
    row_bytes = sites * kept["row"] + pages * points["page_aggregates"]["row"]
    written = points["sixty-four" if sites == 1 else "sites"]["aof_bytes"]
    rolled = points["rollups"]
    changed = min(peak * ROLLUP_SECONDS, sites) + min(peak * ROLLUP_SECONDS, pages)
    rollup = changed * rolled["seconds"] / sum(rolled["rows"].values())
    return Plan(
        sites,
        hits,
        peak,
        batch,
        workers,
        nodes,
        lanes,
        held / 1e9,
        peak * written / 1e6,
        sites + pages,
        row_bytes / 1e9,
        rollup,
    )


def batch_at(prices: Prices, per_second: float, sites: int) -> float:
    """Return how many hits go together in a lane that gets so many: those that come while a batch is on its way."""
    hits = 1.0
    for _ in range(50):
        redis = prices.redis_batch + prices.redis_hit * hits + prices.redis_group * groups_of(hits, sites)
        away = prices.batch + prices.group * groups_of(hits, sites) + redis
        hits = min(float(BATCH_HITS), max(1.0, per_second * away / 1e6))
    return hits


def row_of(points: Mapping[str, Mapping[str, Any]], visitors: float) -> Mapping[str, Any]:
    """Return the measured day of a site with at least so many visitors, or the largest one."""
    days = [point for name, point in points.items() if name.startswith("day of a site")]
    return next((day for day in days if day["visitors"] >= visitors), days[-1])


def largest_share(lanes: int, nodes: int) -> float:
    """Return the part of all lanes that the node with the most of them has, beside an even part (1 is even)."""
    held = Counter(
        key_slot(LaneKeys(str(lane)).prefix.encode()) * nodes // REDIS_CLUSTER_HASH_SLOTS
        for lane in range(lanes)
    )
    return max(held.values()) * nodes / lanes


def read_points() -> dict[str, dict[str, Any]]:
    """Return what was measured, by name."""
    points: list[dict[str, Any]] = json.loads(POINTS.read_text(encoding="utf-8"))
    return {point["name"]: point for point in points}


def simulated(points: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Mapping[str, Any], Found]]:
    """Return each point that the model can tell, and what it says."""
    prices = fit(points)
    found = {}
    for name, point in points.items():
        if "connections" in point and name != "numbers":
            setting = Setting(point["connections"], point["sites"])
            if "lanes" in point:
                parts = {"replicas": replica_part(points), "leading": master_part(points)}
                setting = replace(setting, lanes=point["lanes"], **parts)
            found[name] = point, Simulation(prices, setting).run()
    return found


def replica_part(points: Mapping[str, Mapping[str, Any]]) -> float:
    """Return what replicas cost beside their masters, where there is one lane."""
    point = points["1 lanes"]
    return (sum(point["server_us"].values()) - redis_us(point)) / redis_us(point)


def master_part(points: Mapping[str, Mapping[str, Any]]) -> float:
    """Return what a master with a replica costs beside a server that is alone, of the same load."""
    return redis_us(points["1 lanes"]) / redis_us(points["sites"])


def errors(points: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return for each point how far the model is off, as parts of what was measured."""
    return {
        name: {
            "hits a second": found.per_second / point["per_second"] - 1,
            "worker": found.service_us / point["service_us"] - 1,
            "Redis": found.server_us / redis_us(point) - 1,
        }
        for name, (point, found) in simulated(points).items()
    }


def tables(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return all tables as lines of Markdown."""
    return [
        *price_lines(points),
        "",
        *point_lines(points),
        "",
        *node_lines(points),
        "",
        *share_lines(),
        "",
        *plan_lines(points),
    ]


def price_lines(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what things cost."""
    prices = fit(points)
    return [
        "| µs of a core | each hit | each site in a batch | each batch |",
        "|---|---|---|---|",
        f"| worker | {prices.hit:.1f} | {prices.group:.1f} | {prices.batch:.0f} |",
        f"| Redis | {prices.redis_hit:.1f} | {prices.redis_group:.1f} | {prices.redis_batch:.0f} |",
    ]


def point_lines(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return model, measured and error of each point."""
    lines = [
        "| point | connections | sites | lanes | hits/s: model / measured | worker µs/hit | Redis µs/hit | hits a batch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    off = errors(points)
    for name, (point, found) in simulated(points).items():
        cells = (
            f"{found.per_second:.0f} / {point['per_second']} ({off[name]['hits a second']:+.0%})",
            f"{found.service_us:.0f} / {point['service_us']:.0f} ({off[name]['worker']:+.0%})",
            f"{found.server_us:.0f} / {redis_us(point):.0f} ({off[name]['Redis']:+.0%})",
            f"{found.batch_hits:.0f} / {point['batch_hits']:.0f}",
        )
        fitted = " (fitted)" if name in FITTED else ""
        lines.append(
            f"| {name}{fitted} | {point['connections']} | {point['sites']} | {point.get('lanes', 1)} | {' | '.join(cells)} |"
        )
    return lines


def node_lines(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return how the masters of the cluster were loaded."""
    lines = [
        "| lanes | hits/s | worker µs/hit | scripts a second, by master | µs/hit, by master | largest ÷ even | by place of the lanes |",
        "|---|---|---|---|---|---|---|",
    ]
    for point in (point for point in points.values() if "scripts" in point):
        costs = [cost for name, cost in point["server_us"].items() if name.startswith("master")]
        scripts = [f"{calls / point['seconds']:.0f}" for calls in point["scripts"].values()]
        lines.append(
            f"| {point['lanes']} | {point['per_second']} | {point['service_us']:.0f} | {', '.join(scripts)} | "
            f"{', '.join(f'{cost:.1f}' for cost in costs)} | {max(costs) * len(costs) / sum(costs):.2f} | "
            f"{largest_share(point['lanes'], len(costs)):.2f} |"
        )
    return lines


def share_lines() -> list[str]:
    """Return how even lanes are on nodes with as many slots each."""
    lines = [
        f"| lanes | {' | '.join(f'{nodes} masters' for nodes in NODES)} |",
        f"|---|{'---|' * len(NODES)}",
    ]
    for lanes in LANES:
        shares = (f"{largest_share(lanes, nodes):.2f}" for nodes in NODES)
        lines.append(f"| {lanes} | {' | '.join(shares)} |")
    return lines


def plan_lines(points: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what larger loads need."""
    lines = [
        "| sites | hits a day | at the peak, /s | workers | Redis masters | lanes | Redis memory | AOF, MB/s | rows a day | GB a day in Postgres | a rollup |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines.extend(
        f"| {need.sites:,} | {need.hits:,.0f} | {need.peak:,.0f} | {need.workers} | {need.nodes} | {need.lanes} | "
        f"{need.redis_gb:.2g} GB | {need.aof_mb:.2g} | {need.rows:,.0f} | {need.row_gb:.2g} | {need.rollup_seconds:.2g} s |"
        for need in (plan(points, *one) for one in PLANS)
    )
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables(read_points())) + "\n")
