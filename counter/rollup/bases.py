"""From the rows in Postgres to the base that a site's widget starts from."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from counter.aggregates.store import AggregateStore, RowKey
from counter.buckets.base import BASE_DAYS, Base, Counts, encode_base
from counter.buckets.stored import Fold, SiteIndex, StoredBucket


async def make_bases(
    sites: Sequence[int], without: Sequence[RowKey], aggregates: AggregateStore, now_ms: int
) -> dict[int, Base]:
    """Sum up all rows of some sites, but for those of the buckets that stay open."""
    first_day = datetime.fromtimestamp(now_ms // 1000, UTC).date() - timedelta(days=BASE_DAYS)
    totals = await aggregates.totals(sites, without)
    days: dict[int, dict[date, Counts]] = defaultdict(dict)
    apart: dict[int, dict[date, int]] = defaultdict(dict)
    for (site, day), (sums, unsketched) in (await aggregates.days(sites, without, first_day)).items():
        days[site][day] = Counts(*sums)
        if unsketched:
            apart[site][day] = unsketched
    adjusted: dict[int, dict[date, Counts]] = defaultdict(dict)
    for (site, day), sums in (await aggregates.adjusted_days(sites, first_day)).items():
        adjusted[site][day] = Counts(*sums)
    return {site: Base(Counts(*totals[site]), days[site], adjusted[site], apart[site]) for site in sites}


async def earlier_sketches(
    staying: Sequence[RowKey], aggregates: AggregateStore
) -> dict[int, dict[date, list[bytes]]]:
    """Return, by site and day, the visitors of the closed buckets of each day that has an open one."""
    found: dict[int, dict[date, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    for key, sketch in (await aggregates.sketches_beside(staying)).items():
        if sketch:
            found[key.site_id][key.day].append(sketch)
    return found


def make_fold(  # noqa: PLR0917 - six things that are read in this order
    index: SiteIndex,
    generation: str,
    stored: Sequence[StoredBucket],
    staying: Sequence[StoredBucket],
    base: Base,
    earlier: dict[date, list[bytes]],
) -> Fold:
    """Put together what makes `base` the site's base and removes the buckets that it holds."""
    stays = [bucket for bucket in staying if bucket.name.site == index.site]
    closing = [bucket for bucket in stored if bucket.name.site == index.site and bucket not in stays]
    return Fold(index.site, generation, index.revision, encode_base(base), closing, stays, earlier)


def make_closing(index: SiteIndex, generation: str, stored: Sequence[StoredBucket]) -> Fold:
    """Put together what removes the buckets of a site from a lane, and leaves no base there."""
    closing = [bucket for bucket in stored if bucket.name.site == index.site]
    return Fold(index.site, generation, index.revision, b"", closing, [], {})
