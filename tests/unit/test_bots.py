"""Programs that read pages by themselves are told from people by their user agent."""

import re
from random import Random

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from counter.hits import bots
from counter.hits.bots import is_bot

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"{WEBKIT} Chrome/130.0.0.0"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
ANDROID = f"Mozilla/5.0 (Linux; Android 13; SM-A536E Build/TP1A.220624.014; wv) {WEBKIT} Version/4.0"
IN_APP = f"{ANDROID} Chrome/130.0.0.0 Mobile Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"

PROGRAMS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {CHROME} Mobile Safari/537.36 (compatible; Googlebot/2.1)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; coccocbot-web/1.0; +http://help.coccoc.com/searchengine)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    f"Mozilla/5.0 (X11; Linux x86_64) {CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36",
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "Go-http-client/1.1",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)",
    "Some-New Crawler/1.0 for a thesis",
    "Acme Spider 2",
    "MonitorBot",
    "Mozilla",
    "x",
]

PEOPLE = [
    f"{WINDOWS}) {CHROME} Safari/537.36",
    f"{WINDOWS}) {CHROME} Safari/537.36 Edg/130.0.2849.68",
    f"{WINDOWS}) {CHROME} Safari/537.36 OPR/114.0.0.0",
    f"{WINDOWS}) {WEBKIT} coc_coc_browser/129.0.222 Chrome/123.0.0.0 Safari/537.36",
    f"{WINDOWS}; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
    f"{MAC} {CHROME} Safari/537.36",
    f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36",
    f"{IPHONE} Version/17.6 Mobile/15E148 Safari/604.1",
    f"{IPHONE} CriOS/130.0.6723.90 Mobile/15E148 Safari/604.1",
    f"{IPHONE} Mobile/15E148 Zalo iOS/24070 ZaloTheme/light ZaloLanguage/vn",
    f"{IPHONE} Mobile/21G80 [FBAN/FBIOS;FBAV/488.0.0.61.110;FBDV/iPhone14,7;FBMD/iPhone;FBLC/vi_VN;FBOP/80]",
    f"{IPHONE} Mobile/21G80 Instagram 353.0.0.27.68 (iPhone14,7; iOS 17_6; vi_VN; vi; scale=3.00)",
    "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 13; SM-G991B) {WEBKIT} SamsungBrowser/26.0 Chrome/122.0.0.0 Safari/537.36",
    f"{IN_APP} Zalo android/24101676 ZaloTheme/light ZaloLanguage/vi",
    f"{IN_APP} [FB_IAB/FB4A;FBAV/489.0.0.66.81;IABMV/1;]",
    f"{IN_APP} [FB_IAB/Orca-Android;FBAV/481.0.0.38.109;]",
    f"{IN_APP} trill_360503 BytedanceWebview/d8a21c6",
    f"Mozilla/5.0 (Linux; U; Android 12; vi; RMX3511) {WEBKIT} Chrome/100.0.4896.58 UCBrowser/13.4.0.1306",
    f"Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 9; CUBOT) {CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) {WEBKIT} Version/6.5 TV Safari/537.36",
    f"Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/94.0.4606.128 Safari/537.36",
    "Mozilla/5.0 (Mobile; Nokia 8110 4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
]


@pytest.mark.parametrize("agent", PROGRAMS)
def test_programs(agent):
    """Crawlers, monitors and scripts are bots, those too that no list knows but that say so themselves."""
    assert is_bot(agent)


@pytest.mark.parametrize("agent", PEOPLE)
def test_people(agent):
    """Browsers are people, those of Cốc Cốc, Zalo, Facebook, TikTok, televisions and Cubot telephones too."""
    assert not is_bot(agent)


def test_empty_agent():
    """A request without a user agent is a bot's."""
    assert is_bot("")


@pytest.mark.parametrize(
    "tail", ["Googlebot/2.1 ", "A", "(", "a ", "Mozilla/5.0 (compatible; ", "\ud800", "\0"]
)
def test_long_agent_is_judged_by_its_beginning(tail):
    """Of an agent of 8,190 characters the first 512 decide, as what follows could keep an expression busy."""
    beginning = f"{PEOPLE[0]} {'x ' * 256}"[:512]
    agent = (beginning + tail * 8190)[:8190]
    assert is_bot(agent) == is_bot(beginning) == is_bot(PEOPLE[0])
    assert is_bot(f"Googlebot/2.1 {agent}")


@pytest.mark.parametrize(
    "agent", ["a" * 8190, "Mozilla/5.0 " + "(" * 8178, "\ud800 \0", "Mozilla/5.0 \n(", "ß " * 4095]
)
def test_odd_agents_are_judged(agent):
    """No agent is so odd that it is not judged, and judged the same each time."""
    assert is_bot(agent) is is_bot(agent[:512])


def test_shared_beginnings_change_no_verdict() -> None:
    """The one expression that stands for all of the list finds what each of its patterns finds, in any part of an agent."""
    plain = re.compile("|".join(f"(?:{entry['pattern']})" for entry in CRAWLER_USER_AGENTS_DATA))
    agents = [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry["instances"]] + PEOPLE
    draw = Random(4711)
    for agent in agents:
        begin, end = sorted(draw.choices(range(len(agent) + 1), k=2))
        for text in (agent, agent[begin:end], agent[begin:] + agent[:begin], agent.swapcase()):
            assert bool(bots._PATTERN.search(text)) == bool(plain.search(text)), text
