"""The rules of the administration: documents, plans, files, scopes, balances."""

import json
from contextlib import suppress
from dataclasses import fields, replace
from datetime import date, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from counter.administration.balances import checked_day, entries_of, metrics_of, parse_balances
from counter.administration.documents import DEFAULTS, NAMES, WEEKDAYS, document_of, merged, settings_document
from counter.administration.file import parse_file
from counter.administration.plan import Wanted, differences, make_plan, plan_document, plan_lines, wanted_of
from counter.administration.scopes import SCOPES, Bearer, Need, allows
from counter.errors import SiteError
from counter.sites.model import METRICS, Site, SiteSettings, calendar_of
from counter.sites.paths import normalise

texts = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
settings = st.builds(
    SiteSettings,
    name=texts,
    hosts=st.lists(st.sampled_from(["a.example", "*.b.example", "c.example:8080"]), max_size=3).map(tuple),
    time_zone=st.sampled_from(["Asia/Ho_Chi_Minh", "UTC", "Asia/Kathmandu"]),
    first_weekday=st.integers(1, 7),
    visit_timeout_seconds=st.integers(60, 86_400),
    page_cap=st.integers(0, 1_000_000),
    query_allow=st.lists(st.sampled_from(["id", "p", "trang"]), max_size=3).map(tuple),
    metric=st.sampled_from(METRICS),
    public_stats=st.booleans(),
    language=st.sampled_from(["", "vi", "en"]),
)
keys = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
wanted_sites = st.dictionaries(keys, st.tuples(st.booleans(), settings), max_size=6).map(
    lambda found: [Wanted(key, enabled, chosen) for key, (enabled, chosen) in found.items()]
)


def site_of(wanted: Wanted, number: int = 1) -> Site:
    return Site(number, wanted.key, wanted.enabled, wanted.settings, calendar_of(wanted.settings))


@given(settings, settings)
def test_document_says_all_of_a_site(chosen, other):
    """A site's document, written over any other, gives the site again; JSON and YAML carry it unharmed."""
    document = settings_document(chosen)
    assert merged(other, document) == chosen
    assert merged(other, json.loads(json.dumps(document))) == chosen
    assert merged(other, yaml.safe_load(yaml.safe_dump(document, allow_unicode=True))) == chosen


@given(settings, st.sets(st.sampled_from(NAMES[2:])))
def test_null_is_the_default_and_silence_changes_nothing(chosen, names):
    """What is null becomes the default, what is not named stays."""
    after = settings_document(merged(chosen, dict.fromkeys(names)))
    assert after == {
        name: settings_document(DEFAULTS)[name] if name in names else value
        for name, value in settings_document(chosen).items()
    }


def test_every_setting_is_in_a_document():
    """No setting is out of reach of files and programs."""
    assert len(NAMES) == len(fields(SiteSettings)) + 2
    assert set(document_of(site_of(Wanted("x", enabled=True, settings=DEFAULTS)))) == set(NAMES)


@given(wanted_sites, wanted_sites, st.booleans())
def test_plan_carried_out_leaves_nothing_to_do(there, wanted, prune):
    """After a plan the sites are as declared, a second one is empty, and the figures add up."""
    plan = make_plan([site_of(site) for site in there], wanted, prune=prune)
    after = {site.key: site for site in there}
    after |= {site.key: site for site in plan.added}
    after |= {site.key: site for _before, site in plan.changed}
    for site in plan.removed:
        del after[site.key]
    assert {site.key: site for site in wanted}.items() <= after.items()
    if prune:
        assert set(after) == {site.key for site in wanted}
    else:
        assert set(after) == {site.key for site in [*there, *wanted]}
    assert make_plan([site_of(site) for site in after.values()], wanted, prune=prune).is_empty
    assert plan.unchanged + len(plan.changed) + len(plan.removed) == len(there)


@given(wanted_sites, wanted_sites)
def test_plan_tells_each_difference(there, wanted):
    """People and programs are told every field that changes, and no other."""
    plan = make_plan([site_of(site) for site in there], wanted, prune=True)
    for before, after in plan.changed:
        found = differences(before, after)
        assert found
        assert all(old != new for old, new in found.values())
    lines = list(plan_lines(plan))
    assert sum(line[0] in "+~-" for line in lines) == sum(map(len, plan[:3]))
    assert len(plan_document(plan)["changed"]) == len(plan.changed)


@given(wanted_sites)
def test_file_says_what_was_written(wanted):
    """A file made from sites declares these sites."""
    sites = [document_of(site_of(site)) for site in wanted]
    body = yaml.safe_dump({"sites": sites}, allow_unicode=True).encode()
    assert parse_file(body, "sites.yaml") == wanted


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sites:\n- key: a\n- key: a\n", "f:3: a: it is there already in line 2"),
        ("sites:\n- key: a\n  hots: [x]\n", "f:3: hots: there is no such setting"),
        ("sites:\n- key: a\n  time_zone: Asia/Hanoi\n", "f:3: time_zone: 'Asia/Hanoi' is no IANA"),
        ("sites:\n- key: no\n", "f:2: key: it is a text; put a number into quotes"),
        ("sites:\n- name: x\n", "f:2: key: it is a text"),
        ("sites:\n- key: a\n  key: b\n", "f:3: key: it is there twice"),
        ("sites:\n- key: a\n  page_cap: '5'\n", "f:3: page_cap: it is a whole number"),
        ("sites:\n- key: a\n  hosts: {x: 1}\n", "f:3: here is a value or a list of values"),
        ("sites: {a: 1}\n", "f:1: sites: it is a list"),
        ("sites:\n- a\n", "f:2: here are fields with a colon"),
        ("defaults:\n  key: x\nsites: []\n", "f:2: defaults: each site has a key of its own"),
        ("defaults:\n  page_cap: -1\nsites: []\n", "f:2: page_cap: page_cap is 0 to"),
        ("site: []\n", "f: it has `sites`, a list"),
        ("", "f:1: here are fields"),
        ("sites: [\n", "f:2: "),
        ("sites:\n- &a\n  key: x\n  hosts: [*a]\n", "f:4: here is a value"),
        ("sites:\n- key: !!python/object:os.system x\n", "f:2: could not determine a constructor"),
    ],
)
def test_mistake_in_a_file_is_told_with_its_line(text, complaint):
    """Whoever mistypes reads where."""
    with pytest.raises(SiteError) as raised:
        parse_file(text.encode(), "f")
    assert str(raised.value).startswith(complaint)


@given(st.binary(max_size=200))
def test_any_bytes_are_sites_or_a_mistake(body):
    """No file brings the program down."""
    with suppress(SiteError):
        assert isinstance(parse_file(body, "f"), list)


@given(st.sampled_from(SCOPES), st.sampled_from(list(Need)), keys | st.none(), keys)
def test_scopes(scope, need, site, own):
    """`read` never changes, `site` never leaves its site nor adds or removes one, and `all` does everything."""
    bearer = Bearer("x", scope, own if scope == "site" else None)
    allowed = allows(bearer, need, site)
    if scope == "all":
        assert allowed
    elif scope == "read":
        assert allowed == (need is Need.LOOK)
    else:
        assert not (allowed and need is Need.RULE)
        assert not (allowed and site not in {own, None})
        assert not (allowed and site is None and need is not Need.LOOK)
        assert allows(bearer, Need.LOOK, own)
        assert allows(bearer, Need.CHANGE, own)


@given(
    st.dictionaries(
        st.from_regex(r"/[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True), st.integers(0, 10**9), min_size=1
    )
)
def test_balances_of_pages(views):
    """Each page has the sum of all its spellings, and the order of the lines does not matter."""
    spelt = [f"{page},{number}" for page, number in views.items()]
    spelt += [f"https://x.example{page}/?utm=1,1" for page in views]
    found = parse_balances("\n".join(["path,views", *spelt]), "f", ())
    expected = {}
    for page, number in views.items():
        expected[normalise(page)] = expected.get(normalise(page), 0) + number + 1
    assert found.views == expected
    assert found.lines == 2 * len(views)
    assert parse_balances("\n".join(reversed(spelt)), "g", ()).source == found.source
    assert sum(entry.amount for entry in entries_of(found)) == sum(expected.values())


@pytest.mark.parametrize(
    "text", ["", "/a\n", "/a,x\n", "/a,-1\n", "a,1\n", "/a,1,2\n", '"/a,1\n', "/a,1.5\n", "/a,٣\n"]
)
def test_line_that_is_no_balance(text):
    """A line that is no path with its views is told, and nothing is taken from the file."""
    with pytest.raises(SiteError, match=r"^f:"):
        parse_balances(text, "f", ())


def test_days_and_metrics_of_an_adjustment():
    """A day lies not ahead; a page has views alone; an old counter's number opens all metrics."""
    today = date(2026, 11, 24)
    assert checked_day(today, today) == today
    for day in (today + timedelta(days=1), date(1989, 12, 31)):
        with pytest.raises(SiteError):
            checked_day(day, today)
    assert metrics_of("all", None) == METRICS
    assert metrics_of("all", "/a") == ("views",)
    with pytest.raises(SiteError):
        metrics_of("visits", "/a")


def test_wanted_takes_defaults_and_overrides_them():
    """The defaults of a file hold for each site that says nothing else."""
    site = wanted_of(
        {"key": "a", "page_cap": 7}, {"page_cap": 5, "week_start": WEEKDAYS[6], "enabled": False}
    )
    assert site == Wanted("a", enabled=False, settings=replace(DEFAULTS, page_cap=7, first_weekday=7))
