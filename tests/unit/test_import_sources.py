"""Each old counter's own tables become the records that they mean."""

import gzip
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from counter.errors import ImportFileError
from counter.imports.history import History, Settled
from counter.imports.reading import TableFiles
from counter.imports.records import Bad
from counter.imports.sources.drupal import Drupal
from counter.imports.sources.exports import ChosenUmami, Generic, GoatCounter, Matomo, Plausible, Umami
from counter.imports.sources.joomla import Joomla
from counter.imports.sources.nukeviet import NukeViet
from counter.imports.sources.redis_keys import busuanzi, hashes, read_entries, read_sitemap, vercount
from counter.imports.sources.tables import Source, Tables, read_source
from counter.imports.sources.wp_statistics import WpStatistics
from tests.unit.making import site_with

DATA = Path(__file__).parent.parent / "data" / "imports"
SITE = site_with()
UTC = site_with(time_zone="UTC")
TODAY = date(2026, 6, 10)
OPENING = date(2000, 1, 1)


def added_up(
    source: Source, *names: str | Path, until: date | None = None, prefix: str | None = None
) -> History:
    """The history in some files."""
    tables = Tables(source.kinds, prefix)
    history = History(until)
    files = TableFiles([DATA / name for name in names])
    history.take(read_source(source, files.rows(tables), tables, SITE, TODAY))
    return history


def settled(source: Source, *names: str | Path, **chosen: Any) -> Settled:
    history = added_up(source, *names, **chosen)
    assert history.examples == []
    return history.settle(OPENING)


def figures(found: Settled) -> dict[date, tuple[int, int, int, int]]:
    """Views, visits, visitors and bots of each day."""
    for row in found.rows:
        assert sum(row.hour_views) == row.counts.views
        assert sum(row.hour_visits) == row.counts.visits <= row.counts.views
        assert sum(row.pages.values()) <= row.counts.views
    return {
        row.day: (row.counts.views, row.counts.visits, row.counts.visitors, row.counts.bots)
        for row in found.rows
    }


def pages(found: Settled) -> dict[tuple[date, str], int]:
    return {(row.day, path): views for row in found.rows for path, views in row.pages.items()}


def test_nukeviet() -> None:
    """The days of the month, articles at their addresses, and a total in which each visit is once."""
    found = settled(NukeViet(SITE), "nukeviet.sql")
    days = {
        date(2021, 1, day): visits
        for day, visits in ((1, 7), (2, 2), (4, 2), (6, 5), (7, 3), (14, 5), (18, 7), (19, 2))
    }
    assert figures(found) == {OPENING: (1089, 0, 0, 0)} | {day: (n, n, n, 0) for day, n in days.items()}
    assert pages(found) == {
        (OPENING, "/news/tin-tuc/hoi-nghi-tong-ket-1.html"): 969,
        (OPENING, "/news/thong-bao/lich-tiem-chung-2.html"): 120,
    }
    assert found.undated == {"visits": 216, "visitors": 216}
    assert sum(n for n in days.values()) + found.undated["visits"] == 249
    early = settled(NukeViet(SITE), "nukeviet.sql", until=date(2021, 1, 4))
    assert early.undated == {"visits": 216, "visitors": 216}
    assert [row.day.day for row in early.rows] == [1, 1, 2, 4]


def test_nukeviet_in_another_zone_is_bad() -> None:
    """Days that do not fit say that the zone is wrong, rather than shift."""
    history = added_up(NukeViet(site_with(time_zone="Pacific/Honolulu")), "nukeviet.sql")
    assert history.bad > 0
    assert "time zone" in history.examples[0].reason


def test_nukeviet_options(tmp_path: Path) -> None:
    """One language, one prefix, another way of addresses."""
    found = settled(NukeViet(SITE, "vi", "/{language}/{alias}-{id}/"), "nukeviet.sql", prefix="nv4")
    assert (OPENING, "/vi/hoi-nghi-tong-ket-1") in pages(found)
    two = tmp_path / "two.sql"
    text = (DATA / "nukeviet.sql").read_text(encoding="utf-8")
    two.write_text(text + text.replace("nv4_", "nv5_"), encoding="utf-8")
    with pytest.raises(ImportFileError, match="--prefix nv4 or --prefix nv5"):
        added_up(NukeViet(SITE), two)
    assert settled(NukeViet(SITE), two, prefix="nv5") == settled(NukeViet(SITE), "nukeviet.sql")


def test_vinaora_and_vcnt(tmp_path: Path) -> None:
    """A row of Vinaora ends when it says; VCNT has a row for each visit, and a number for those it deleted."""
    found = settled(Joomla(SITE), "vinaora.csv")
    # 1273078800 is midnight in Vietnam: that stretch was of the day before.
    assert figures(found) == {
        date(2010, 5, 5): (10, 10, 10, 2), date(2010, 5, 6): (4, 4, 4, 1), date(2010, 5, 7): (30, 30, 30, 0),
    }  # fmt: skip
    path = tmp_path / "vcnt.sql"
    path.write_text(
        "CREATE TABLE jos_vcnt (tm INT NOT NULL, ip VARCHAR(16) NOT NULL DEFAULT '0.0.0.0');"
        "INSERT INTO jos_vcnt VALUES (1273078800,'192.0.2.1'),(1273078801,'192.0.2.2');"
        "CREATE TABLE jos_vcnt_pc (cnt INT NOT NULL DEFAULT '0'); INSERT INTO jos_vcnt_pc VALUES (412);"
    )
    found = settled(Joomla(SITE), path)
    assert figures(found) == {date(2010, 5, 6): (2, 2, 2, 0)}
    assert found.rows[0].hour_visits[0] == 2
    assert found.undated == {"views": 412, "visits": 412, "visitors": 412}


def test_drupal() -> None:
    """A node's views are at its alias, if that is published."""
    found = settled(Drupal(), "drupal.sql")
    assert pages(found) == {(OPENING, "/gioi-thieu"): 45, (OPENING, "/node/2"): 7, (OPENING, "/node/9"): 3}
    assert figures(found) == {OPENING: (55, 0, 0, 0)}
    assert found.undated == {}


def test_wp_statistics() -> None:
    """Views and visitors of days, views of pages, and what was deleted of old."""
    found = settled(WpStatistics(), "wp_statistics.sql")
    first, second = date(2023, 3, 1), date(2023, 3, 2)
    assert figures(found) == {OPENING: (90, 0, 0, 0), first: (10, 2, 2, 0), second: (4, 1, 1, 0)}
    assert pages(found) == {
        (OPENING, "/chao"): 90,
        (first, "/"): 7,
        (first, "/chao"): 3,
        (second, "/chao"): 4,
    }
    assert found.undated == {"views": 910, "visits": 400, "visitors": 400}


@pytest.mark.parametrize("name", ["goatcounter", "umami"])
def test_single_views(name: str) -> None:
    """Views are of the site's own days and hours; a visit belongs to the day on which it began."""
    source, file = {
        "goatcounter": (GoatCounter(SITE), "goatcounter.csv"), "umami": (Umami(SITE), "website_event.csv"),
    }[name]  # fmt: skip
    found = settled(source, file)
    eighth, ninth = date(2026, 5, 8), date(2026, 5, 9)
    more = {"goatcounter": (2, 1, 2, 1), "umami": (3, 2, 2, 0)}[name]
    assert figures(found) == {eighth: (1, 1, 1, 0), ninth: more}
    assert found.rows[0].hour_views[23] == found.rows[0].hour_visits[23] == 1
    assert pages(found)[eighth, "/"] == 1
    assert found.undated == {}


def test_umami_with_several_websites(tmp_path: Path) -> None:
    """One website is chosen, or the command says which there are."""
    path = tmp_path / "website_event.csv"
    text = (DATA / "website_event.csv").read_text()
    path.write_text(text + text.splitlines()[1].replace("3f673ea9", "00000000") + "\n")
    with pytest.raises(ImportFileError, match="--website 3f673ea9 or --website 00000000"):
        added_up(Umami(SITE), path)
    assert figures(settled(ChosenUmami(SITE, "00000000"), path)) == {date(2026, 5, 8): (1, 1, 1, 0)}


def test_plausible(tmp_path: Path) -> None:
    """Days and pages, also as the zip that Plausible makes; other files in it are passed over."""
    names = ("imported_visitors_20240101_20240102.csv", "imported_pages_20240101_20240102.csv")
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in names:
            packed.write(DATA / name, name)
        packed.writestr(
            "imported_sources_1.csv", "date,source,visitors,pageviews,visits,bounces\n2024-01-01,x,9,9,9,9\n"
        )
        packed.writestr(
            "imported_devices_1.csv", "date,device,visitors,visits,bounces\n2024-01-01,Mobile,9,9,9\n"
        )
    found = settled(Plausible(), *names)
    assert settled(Plausible(), archive) == found
    first, second = date(2024, 1, 1), date(2024, 1, 2)
    assert figures(found) == {first: (25, 12, 10, 0), second: (3, 3, 3, 0)}
    assert pages(found) == {(first, "/"): 20, (first, "/tin"): 5, (second, "/"): 3}


def test_matomo(tmp_path: Path) -> None:
    """Days, pages by their addresses, also in the UTF-16 that Matomo writes; a row of a month is bad."""
    found = settled(Matomo(), "matomo_days.csv", "matomo_pages.csv")
    first, third = date(2024, 1, 1), date(2024, 1, 3)
    assert figures(found) == {
        first: (30, 12, 10, 0), date(2024, 1, 2): (0, 0, 0, 0), third: (9, 8, 7, 0),
    }  # fmt: skip
    assert pages(found) == {(first, "/"): 20, (first, "/tin/moi"): 9}
    wide = tmp_path / "wide.csv"
    wide.write_text((DATA / "matomo_days.csv").read_text(), encoding="utf-16")
    assert figures(settled(Matomo(), wide)) == figures(settled(Matomo(), "matomo_days.csv"))
    month = tmp_path / "month.csv"
    month.write_text('date,nb_visits,nb_actions\n"2024-01-01,2024-01-31",5,6\n')
    assert "period=day" in added_up(Matomo(), month).examples[0].reason


def keys(name: str) -> list[Any]:
    return list(read_entries((DATA / name).read_text(), name))


def test_busuanzi() -> None:
    """Hashes are pages where the sitemap tells them; the total has the others, too."""
    addresses = read_sitemap((DATA / "sitemap.xml").read_text())
    assert addresses == ["https://portal.example/tin/", "https://portal.example/gioi-thieu.html"]
    history = History()
    known = hashes(addresses, "portal.example")
    history.take(busuanzi(keys("busuanzi.json"), "portal.example", known, "busuanzi.json"))
    found = history.settle(OPENING)
    assert pages(found) == {(OPENING, "/tin/"): 700, (OPENING, "/gioi-thieu.html"): 40}
    assert found.undated == {"views": 260, "visits": 321, "visitors": 321}
    (bad,) = busuanzi(keys("busuanzi.json"), "no.example", {}, "busuanzi.json")
    assert isinstance(bad, Bad)


def test_vercount() -> None:
    """Pages stand in the keys; those of other hosts are left."""
    history = History()
    history.take(vercount(keys("vercount.csv"), "portal.example", "vercount.csv"))
    found = history.settle(OPENING)
    assert pages(found) == {(OPENING, "/tin/moi"): 77}
    assert found.undated == {"views": 423, "visits": 120, "visitors": 120}


def test_generic() -> None:
    """The CSV that anybody can make."""
    found = settled(Generic(), "history.csv")
    first, second = date(2025, 1, 1), date(2025, 1, 2)
    assert figures(found) == {OPENING: (300, 0, 0, 0), first: (100, 60, 40, 5), second: (30, 20, 15, 0)}
    assert found.rows[2].hour_views[9] == 30
    assert pages(found) == {(OPENING, "/gioi-thieu"): 300, (first, "/tin"): 25}
    assert found.undated == {"views": 4700, "visits": 2000, "visitors": 1500}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("date,views\n2025-02-30,1\n", 2, "date is no day such as 2024-05-17: '2025-02-30'"),
        ("date,views\n2025-01-01,1\n2025-01-02,-1\n", 3, "views is no count: '-1'"),
        ("date,views\n2025-01-01,1.5\n", 2, "views is no count: '1.5'"),
        ("date,views\n2026-06-11,1\n", 2, "2026-06-11 has not come yet"),
        ("date,views\n1889-06-11,1\n", 2, "1889-06-11 is before there were counters"),
        ("date,views\n2025-01-01,1,2\n", 2, "3 cells for 2 columns"),
        ("date,views\n2025-01-01,\n", 2, "there is no figure"),
        ("date,path,views\n2025-01-01,mailto:x,1\n", 2, "the path starts with a slash"),
        ('date,views\n2025-01-01,"1"x\n', 2, "no CSV: ',' expected after '\"'"),
        (f"date,views\n2025-01-01,{'9' * 30}\n", 2, f"views is no count: '{'9' * 30}'"),
    ],
)
def test_bad_rows_are_told(tmp_path: Path, text: str, line: int, reason: str) -> None:
    """What cannot be understood is told by its line and why."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    if "date,views\n" in text and text.count("\n") == 2 and "cells" in reason:
        text += "2025-01-03,1\n"
        path.write_text(text)
    if "no CSV" in reason:
        path.write_text(text + "2025-01-03,1\n")
    history = added_up(Generic(), path)
    assert (history.bad, history.examples) == (1, [Bad("a.csv", line, reason)])


def test_wrong_file_is_told(tmp_path: Path) -> None:
    """A file of another program is not an empty history."""
    for content in (
        b"",
        b"a,b\n1,2\n",
        b"CREATE TABLE x (a int); INSERT INTO x VALUES (1);",
        b"\xff\xfe\x00\xd8",
    ):
        path = tmp_path / "wrong"
        path.write_bytes(content)
        with pytest.raises(ImportFileError, match="nothing of NukeViet is in there"):
            added_up(NukeViet(SITE), path)


def test_packed_files_are_the_same(tmp_path: Path) -> None:
    """The digest is that of the content, whatever the name and the packing."""
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress((DATA / "nukeviet.sql").read_bytes()))
    digests = set()
    for path in (DATA / "nukeviet.sql", packed):
        files = TableFiles([path])
        tables = Tables(NukeViet.kinds)
        assert len(list(files.rows(tables))) == 24
        digests.add(files.digest)
    assert len(digests) == 1
    broken = tmp_path / "broken.gz"
    broken.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(ImportFileError, match="cannot be read"):
        added_up(NukeViet(SITE), broken)
