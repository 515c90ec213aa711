"""A tiny siege with every test run: nobody honest is lost, and the service answers."""

from pathlib import Path

from counter.config import Settings
from tests.siege.field import besieged
from tests.siege.people import TINY
from tests.siege.report import markdown


async def test_honest_people_are_counted_whoever_attacks(settings: Settings, tmp_path: Path) -> None:
    """In every phase all honest hits count and the widget answers; what is shown is what was admitted."""
    async with besieged(settings, tmp_path, TINY) as siege:
        report = await siege.run()
    page = markdown(report)
    assert report.honest_lost == 0, page
    assert {status for phase in report.phases for status in phase.widget} == {200}, page
    assert set(report.statuses) == {204}, page
    assert report.shown_views == sum(group.admitted for group in report.groups.values()), page
    for name in ("crawlers", "referrer spam", "botnet on the signed site"):
        assert report.groups[name].admitted == 0, page
    for name in ("flooder", "flooder with new agents"):
        group = report.groups[name]
        assert 0 < group.admitted < group.sent, page
    assert (tmp_path / "instance-0.log").read_text().count('"level": "error"') == 0
