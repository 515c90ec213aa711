"""What is shown: the numbers and pages that the public listener answers with."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.config import Settings
from counter.database import Pool
from counter.metrics import Metrics
from counter.sites.registry import SiteRegistry
from counter.widget.assets import Assets
from counter.widget.embed_handlers import EmbedHandlers
from counter.widget.handlers import WidgetHandlers
from counter.widget.history import History
from counter.widget.history_handlers import HistoryHandlers
from counter.widget.hit_answers import HitAnswers
from counter.widget.languages import load_languages
from counter.widget.overview import Overviews
from counter.widget.pages import PageViews
from counter.widget.past import Past
from counter.widget.snapshots import Snapshots
from counter.widget.stats_handlers import StatsHandlers


class Shown(NamedTuple):
    """What answers with numbers.

    Attributes:
        answers: answer hits.
        widget: answers the script.
        routes: of everything that is looked at.
    """

    answers: HitAnswers
    widget: WidgetHandlers
    routes: list[web.RouteDef]


def make_shown(  # noqa: PLR0917 - all that numbers come from
    settings: Settings,
    store: BucketStore,
    pool: Pool,
    sites: SiteRegistry,
    refresh_base: Callable[[str], Awaitable[object]],
    metrics: Metrics,
    clock: Clock,
) -> Shown:
    """Return what is to be looked at: widget, badge, fragment, iframe, history, top pages, statistics page.

    What costs a query, or milliseconds to write, is kept for some times the age of a widget's answer.
    """
    fresh_seconds = settings.snapshot_milliseconds / 1000
    snapshots = Snapshots(store, refresh_base, clock, metrics.http, fresh_seconds=fresh_seconds)
    page_views = PageViews(store, pool, refresh_base)
    widget = WidgetHandlers(sites, snapshots, page_views)
    assets, languages = Assets(), load_languages()
    history = History(Past(store, pool), snapshots, fresh_seconds=10 * fresh_seconds)
    overviews = Overviews(snapshots, history)
    return Shown(
        HitAnswers(snapshots, page_views),
        widget,
        [
            *widget.routes(),
            *EmbedHandlers(sites, snapshots, page_views, languages, assets.from_page).routes(),
            *HistoryHandlers(sites, history).routes(),
            *StatsHandlers(
                sites, overviews, languages, assets.from_page, fresh_seconds=5 * fresh_seconds
            ).routes(),
            *assets.routes(),
        ],
    )
