"""Who comes, when, from where: the ground truth, of which the service knows nothing. Pure."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

OPEN, SIGNED, HOSTED = "open", "signed", "hosted"
"""The three sites: without any protection of its own, with tokens, with a list of hosts."""
HOST: Final = "portal.example"
OFFICE_ADDRESS: Final = "203.0.113.9"
FLOODER_ADDRESS: Final = "198.51.100.66"
CHANGER_ADDRESS: Final = "198.51.100.77"

_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
_EDGE = f"{_CHROME} Edg/{{}}.0.0.0"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36"
_ZALO = "Mozilla/5.0 (Linux; Android 14; SM-A{}5F) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36 Zalo android/24{}"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{} like Mac OS X) AppleWebKit/605.1.15 Version/18.{} Mobile/15E148 Safari/604.1"
BROWSERS: Final = (
    [_CHROME.format(version) for version in range(126, 142)]
    + [_EDGE.format(version, version) for version in range(130, 142)]
    + [_CHROME.format(version) + " coc_coc_browser/" + f"{version}.0" for version in range(128, 132)]
    + [_ANDROID.format(version) for version in range(120, 142)]
    + [_ZALO.format(model, build) for model in range(1, 6) for build in range(101, 105)]
    + [_IPHONE.format(version, version) for version in range(7)]
    + [
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0"
        for v in (128, 140, 143)
    ]
)
"""Of the people at home."""
OFFICE_BROWSERS: Final = [_EDGE.format(140, 140)] * 30 + [_CHROME.format(140)] * 15 + BROWSERS[:40]
"""Of an office, most of whose machines are kept alike."""
CRAWLERS: Final = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; coccocbot-web/1.0; +http://help.coccoc.com/searchengine)",
    "python-requests/2.32.3",
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0 Safari/537.36",
)


HOME, OFFICE = "people at home", "office"
HONEST: Final = {HOME, OFFICE}
"""The groups of whom a person looked at each page."""


class Hit(NamedTuple):
    """A page shown, or said to be.

    Attributes:
        at_s: seconds after the beginning of the phase; 0 for those that send as fast as they can.
        group: who sends it, for the report; the service is not told.
        origin: host of the page.
    """

    at_s: float
    group: str
    site: str
    address: str
    agent: str
    path: str
    origin: str = HOST


class Scale(NamedTuple):
    """How large the siege is."""

    phase_seconds: float
    sessions_per_second: float
    office_people: int
    crawler_hits: int
    spam_hits: int
    botnet_addresses: int
    hits_per_bot: int
    flood_hits: int


FULL: Final = Scale(30, 4, 2000, 4000, 20_000, 10_000, 3, 100_000)
TINY: Final = Scale(2, 10, 200, 100, 300, 200, 2, 3000)


def people_at_home(chance: random.Random, scale: Scale, seconds: float) -> Iterator[Hit]:
    """Sessions that begin at random (Poisson), each from an address of its own, on all three sites."""
    at = 0.0
    while (at := at + chance.expovariate(scale.sessions_per_second)) < seconds:
        site = chance.choices((OPEN, SIGNED, HOSTED), (6, 2, 2))[0]
        first = Hit(at, HOME, site, _home(chance), chance.choice(BROWSERS), "/")
        yield from _session(chance, at, seconds, first)


def people_of_an_office(chance: random.Random, scale: Scale, seconds: float) -> Iterator[Hit]:
    """All of an office behind one address: most of them begin their day around the middle of the siege."""
    for _person in range(scale.office_people):
        at = min(max(chance.gauss(seconds / 2, seconds / 5), 0.0), seconds * 0.95)
        first = Hit(at, OFFICE, OPEN, OFFICE_ADDRESS, chance.choice(OFFICE_BROWSERS), "/")
        yield from _session(chance, at, seconds, first)


def crawlers(chance: random.Random, scale: Scale) -> Iterator[Hit]:
    """Programs that say so."""
    for number in range(scale.crawler_hits):
        address, agent = f"192.0.2.{number % 20}", CRAWLERS[number % len(CRAWLERS)]
        yield Hit(0, "crawlers", OPEN, address, agent, _page(chance))


def referrer_spam(chance: random.Random, scale: Scale) -> Iterator[Hit]:
    """Hits that name a page of their own, so as to be seen in the statistics."""
    for _number in range(scale.spam_hits):
        agent = chance.choice(BROWSERS)
        origin = f"casino-{chance.randrange(50)}.example"
        yield Hit(0, "referrer spam", HOSTED, _far(chance), agent, _page(chance), origin)


def botnet(chance: random.Random, scale: Scale, site: str) -> Iterator[Hit]:
    """Many addresses with real browsers' agents; each sends but a few hits, and fetches no token."""
    bots = [(_far(chance), chance.choice(BROWSERS)) for _bot in range(scale.botnet_addresses)]
    for _round in range(scale.hits_per_bot):
        chance.shuffle(bots)
        for address, agent in bots:
            yield Hit(0, f"botnet on the {site} site", site, address, agent, _page(chance))


def flood(chance: random.Random, scale: Scale) -> Iterator[Hit]:
    """One address with one browser, as fast as it can."""
    for _number in range(scale.flood_hits):
        yield Hit(0, "flooder", OPEN, FLOODER_ADDRESS, BROWSERS[3], _page(chance))


def changing_flood(chance: random.Random, scale: Scale) -> Iterator[Hit]:
    """One address that is another visitor with each hit."""
    for number in range(scale.flood_hits // 2):
        agent = f"{BROWSERS[number % len(BROWSERS)]} Build/{chance.randrange(10**9)}"
        yield Hit(0, "flooder with new agents", OPEN, CHANGER_ADDRESS, agent, _page(chance))


def _session(chance: random.Random, at: float, seconds: float, first: Hit) -> Iterator[Hit]:
    """Three pages on average, with time to read them."""
    while at < seconds:
        yield first._replace(at_s=at, path=_page(chance))
        if chance.random() < 1 / 3:
            return
        at += 1 + chance.expovariate(1 / 6)


def _page(chance: random.Random) -> str:
    return "/" if chance.random() < 0.3 else f"/tin-tuc/bai-{int(chance.paretovariate(0.8)) % 2000}"


def _home(chance: random.Random) -> str:
    """An address of a subscriber, sometimes an IPv6 one."""
    if chance.random() < 0.4:
        return f"2001:db8:{chance.randrange(65536):x}:{chance.randrange(65536):x}::{chance.randrange(1, 65536):x}"
    return f"{chance.choice((14, 27, 42, 113, 115, 171))}.{chance.randrange(160, 256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def _far(chance: random.Random) -> str:
    return ".".join(str(chance.randrange(1, 224 if part == 0 else 255)) for part in range(4))
