"""What the unit tests are about, made without a store: sites, instants, texts."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from counter.sites.model import Site, SiteSettings, calendar_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def site_with(key: str = "portal", **chosen: object) -> Site:
    """Return a site with some settings of its own, the others as they are by default."""
    settings = SiteSettings(**chosen)  # type: ignore[arg-type]
    return Site(id=1, key=key, enabled=True, settings=settings, span_of=calendar_of(settings))


def ms(text: str) -> int:
    """Return the instant in ms since the epoch of an ISO 8601 text that has an offset."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def any_text(most: int) -> st.SearchStrategy[str]:
    """Return texts of whatever characters, control characters and lone surrogates often among them."""
    odd = st.text(st.characters(categories=["Cc", "Cs"]), max_size=3)
    return st.lists(st.one_of(st.text(max_size=20), odd), max_size=4).map(lambda parts: "".join(parts)[:most])
