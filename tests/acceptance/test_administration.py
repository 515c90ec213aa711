"""The administration over HTTP and the command line, with the rights that the service has, while it counts."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from counter.administration.plan import wanted_of
from counter.administration.sites import SiteAdministration
from counter.administration.tokens import PREFIX, Tokens
from counter.clock import system_clock
from counter.config import Settings
from counter.database import connected
from tests.acceptance.conftest import Running, SetClock, running
from tests.acceptance.instance import environment_of
from tests.acceptance.test_commands import Shell
from tests.rights import with_least_rights

SITE = "/v1/admin/sites/portal"
NO_LIST = "a" * 64
ADDRESSES: list[tuple[str, str, object, dict[str, int]]] = [
    ("GET", "/v1/admin/sites", None, {"read": 200, "site": 200, "other": 200, "all": 200}),
    ("POST", "/v1/admin/sites", {"key": "new"}, {"read": 403, "site": 403, "other": 403, "all": 201}),
    (
        "POST",
        "/v1/admin/apply",
        {"sites": [], "dry_run": True},
        {"read": 403, "site": 403, "other": 403, "all": 200},
    ),
    ("GET", SITE, None, {"read": 200, "site": 200, "other": 403, "all": 200}),
    ("PATCH", SITE, {"name": "Cổng"}, {"read": 403, "site": 200, "other": 403, "all": 200}),
    ("GET", f"{SITE}/adjustments", None, {"read": 200, "site": 200, "other": 403, "all": 200}),
    (
        "POST",
        f"{SITE}/adjustments",
        {"amount": 5, "reason": "x"},
        {"read": 403, "site": 201, "other": 403, "all": 201},
    ),
    (
        "POST",
        f"{SITE}/adjustments/1/reversal",
        {"reason": "x"},
        {"read": 403, "site": 201, "other": 403, "all": 400},
    ),
    (
        "POST",
        f"{SITE}/adjustments/lists?dry_run=true",
        "path,views\n/a,1\n",
        {"read": 403, "site": 200, "other": 403, "all": 200},
    ),
    (
        "POST",
        f"{SITE}/adjustments/lists/{NO_LIST}/reversal",
        {"reason": "x"},
        {"read": 403, "site": 400, "other": 403, "all": 400},
    ),
    ("GET", f"{SITE}/changes", None, {"read": 200, "site": 200, "other": 403, "all": 200}),
    ("GET", "/v1/admin/changes", None, {"read": 200, "site": 200, "other": 200, "all": 200}),
    ("DELETE", f"{SITE}?confirm=portal", None, {"read": 403, "site": 403, "other": 403, "all": 204}),
]
"""Each address: method, path, body (a text is CSV), and the status by scope; `other` is a token of another site."""


@dataclass
class Office:
    """Asks the administration of a running service."""

    service: Running
    tokens: dict[str, str]

    async def ask(
        self, method: str, address: str, body: object = None, scope: str = "all", **headers: str
    ) -> ClientResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if scope:
            sent.setdefault("Authorization", f"Bearer {self.tokens[scope]}")
        is_list = isinstance(body, str | bytes)
        if body is not None:
            sent.setdefault("Content-Type", "text/csv" if is_list else "application/json")
        whole = body if is_list or body is None else json.dumps(body)
        data = BytesIO(whole.encode() if isinstance(whole, str) else whole) if whole is not None else None
        response = await self.service.session.request(
            method, self.service.admin + address, data=data, headers=sent
        )
        await response.read()
        return response

    async def json(self, method: str, address: str, body: object = None, scope: str = "all") -> Any:
        response = await self.ask(method, address, body, scope)
        assert response.status in {200, 201}, await response.text()
        return await response.json()


@pytest.fixture
async def office(service: Running) -> AsyncIterator[Office]:
    """A token of each scope, and one of another site."""
    await service.add_site("other")
    url = with_least_rights(service.settings).database_url.get_secret_value()
    async with connected(url) as connection:
        tokens = Tokens(connection)
        yield Office(
            service,
            {
                "read": await tokens.add("reader", "read", None, "a test"),
                "site": await tokens.add("webmaster", "site", "portal", "a test"),
                "other": await tokens.add("neighbour", "site", "other", "a test"),
                "all": await tokens.add("head", "all", None, "a test"),
            },
        )


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)


async def test_each_address_for_each_scope(office: Office) -> None:
    """A token does what its scope says and no more, on each address that there is; without one nobody does anything."""
    served = {
        (method.upper(), path)
        for path, item in (await office.json("GET", "/openapi.json"))["paths"].items()
        for method in item
        if path.startswith("/v1/")
    }
    assert served == {
        (
            method,
            path.partition("?")[0]
            .replace("/portal", "/{site}")
            .replace("/1/", "/{id}/")
            .replace(NO_LIST, "{source}"),
        )
        for method, path, _body, _statuses in ADDRESSES
    }
    found = {}
    for method, path, body, statuses in ADDRESSES:
        if "reversal" in path:
            (row, *_rest) = (await office.json("GET", f"{SITE}/adjustments"))["adjustments"]
            path = path.replace("/1/", f"/{row['id']}/")  # noqa: PLW2901 - ids go on over all tests
        for scope in statuses:
            found[method, path, scope] = (
                (await office.ask(method, path, body, scope)).status,
                statuses[scope],
            )
        assert (await office.ask(method, path, body, "")).status == 401 or method == "DELETE"
    assert {what: statuses for what, statuses in found.items() if statuses[0] != statuses[1]} == {}


async def test_token_that_is_none(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    """A wrong token is refused, counted, limited and never logged; a good one still works from the same address."""
    wrong = PREFIX + "x" * 43
    statuses = [
        (await office.ask("GET", "/v1/admin/sites", Authorization=f"Bearer {wrong}{number}")).status
        for number in range(15)
    ]
    assert set(statuses) == {401, 429}
    assert (
        await office.ask("GET", "/v1/admin/sites", Authorization=f"Bearer {office.tokens['read']}")
    ).status in {200, 429}
    answer = await office.ask("GET", "/v1/admin/sites", scope="")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="counter"')
    assert answer.content_type == "application/problem+json"
    assert await office.service.metric('counter_admin_refused_total{reason="unknown"}') >= 10
    assert await office.service.metric('counter_admin_refused_total{reason="limited"}') >= 1
    said = capfd.readouterr()
    assert PREFIX not in said.out + said.err


async def test_site_by_http_from_add_to_delete(office: Office) -> None:
    """A site is added, changed without a lost update, disabled and deleted; the service follows each time."""
    service = office.service
    added = await office.ask("POST", "/v1/admin/sites", {"key": "xa-moi", "hosts": ["xa.example"]})
    assert (added.status, added.headers["Location"]) == (201, "/v1/admin/sites/xa-moi")
    assert (await office.ask("POST", "/v1/admin/sites", {"key": "xa-moi"})).status == 409
    tag = added.headers["ETag"]
    where = "/v1/admin/sites/xa-moi"
    changed = await office.ask("PATCH", where, {"hosts": None, "week_start": "sunday"}, If_Match=tag)
    assert (changed.status, (await changed.json())["hosts"]) == (200, [])
    assert (await office.ask("PATCH", where, {"name": "late"}, If_Match=tag)).status == 412
    while (await service.get("/v1/sites/xa-moi/widget")).status == 404:
        pass
    # The service may have seen the site as it was added, with a host, and not yet the change.
    while (await service.widget("xa-moi", "views"))["total"] == 0:
        await service.hit(site="xa-moi")
    assert (await service.widget("xa-moi", "views"))["total"] == 1
    await office.json("PATCH", where, {"enabled": False})
    while (await service.get("/v1/sites/xa-moi/widget")).status != 404:
        pass
    assert (await office.ask("DELETE", where)).status == 400
    assert (await office.ask("DELETE", f"{where}?confirm=xa-moi")).status == 204
    while (answer := await office.ask("POST", "/v1/admin/sites", {"key": "xa-moi"})).status == 409:
        assert "still being cleared" in (await answer.json())["detail"]
    while (await service.get("/v1/sites/xa-moi/widget")).status == 404:
        pass
    assert (await service.widget("xa-moi", "views"))["total"] == 0
    changes = (await office.json("GET", f"{where}/changes"))["changes"]
    assert [change["action"] for change in reversed(changes)] == [
        "site.add",
        "site.change",
        "site.disable",
        "site.remove",
        "site.add",
    ]
    assert changes[1]["actor"] == "token head"
    assert (
        changes[1]["before"]["week_start" if "week_start" in changes[1]["before"] else "first_weekday"] == 7
    )
    assert "secret" not in json.dumps(changes)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"key": "Bad Key"}, "key: a site's key has"),
        ({"key": 7}, "key: it is a text"),
        ({"key": "x", "host": ["a.example"]}, "host: there is no such setting"),
        ({"key": "x", "hosts": "a.example"}, "hosts: it is a list of texts"),
        ({"key": "x", "page_cap": True}, "page_cap: it is a whole number"),
        ({"key": "x", "time_zone": "Asia/Hanoi"}, "time_zone: 'Asia/Hanoi' is no IANA time zone"),
        ({"key": "x", "week_start": 1}, "week_start: it is one of monday"),
        ({"key": "x", "name": "\0"}, "name: it has at most 200 characters, all printable"),
    ],
)
async def test_mistake_in_a_site_is_named(office: Office, document: object, complaint: str) -> None:
    """A document that is no site is answered with the field and what it has to be."""
    answer = await office.ask("POST", "/v1/admin/sites", document)
    assert answer.status == 400
    assert (await answer.json())["detail"].startswith(complaint)


async def test_ten_thousand_sites(office: Office, shell: Shell, tmp_path: Path) -> None:
    """Ten thousand sites are declared by one file, found, paged and changed; again it changes nothing."""
    file = tmp_path / "sites.yaml"
    lines = [f"- {{key: xa-{number:05}, name: 'Xã {number}'}}" for number in range(10_000)]
    file.write_text("defaults: {public_stats: true}\nsites:\n" + "\n".join(lines), encoding="utf-8")
    dry = await shell.must("site", "apply", str(file), "--dry-run")
    assert "+ xa-00000" in dry
    assert "xa-00000" not in await shell.must("site", "list", "--all")
    await shell.must("site", "apply", str(file))
    again = await shell.must("site", "apply", str(file))
    assert again.splitlines()[-1] == "= 10,002 unchanged"  # with portal and other
    found = await office.json("GET", "/v1/admin/sites?search=XÃ%20777&limit=3")
    assert [site["key"] for site in found["sites"]] == ["xa-00777", "xa-07770", "xa-07771"]
    more = await office.json("GET", f"/v1/admin/sites?search=XÃ%20777&limit=500&after={found['next']}")
    assert (len(more["sites"]), more["next"]) == (8, None)
    assert "51 to 100 of 10," in await shell.must("site", "list", "--page", "2")
    while (await office.service.get("/v1/sites/xa-09999/history")).status == 404:
        pass
    plan = await office.json(
        "POST",
        "/v1/admin/apply",
        {"sites": [{"key": "xa-00001", "page_cap": 5}], "prune": True, "dry_run": True},
    )
    assert len(plan["removed"]) > 10_000 - 2
    assert plan["changed"][0]["fields"]["page_cap"] == {"before": 10_000, "after": 5}
    refused = await office.ask("POST", "/v1/admin/apply", {"sites": [], "prune": True})
    assert refused.status == 400
    assert "confirm this number" in (await refused.json())["detail"]


async def test_apply_is_all_or_nothing(office: Office, settings: Settings) -> None:
    """Two applies at once leave what one of them declared, and one that fails leaves nothing."""
    url = with_least_rights(settings).database_url.get_secret_value()

    async def apply(name: str) -> None:
        wanted = [wanted_of({"key": f"site-{number}", "name": name}, {}) for number in range(50)]
        async with connected(url) as connection:
            await SiteAdministration(connection, name).apply(wanted)

    await asyncio.gather(*map(apply, ("a", "b", "c")), return_exceptions=True)
    sites = (await office.json("GET", "/v1/admin/sites?search=site-"))["sites"]
    assert len({site["name"] for site in sites}) == 1
    body = {"sites": [{"key": "fine"}, {"key": "not fine"}]}
    assert (await office.ask("POST", "/v1/admin/apply", body)).status == 400
    assert (await office.ask("GET", "/v1/admin/sites/fine")).status == 404


async def test_adjustments_of_days_and_pages(office: Office, shell: Shell, tmp_path: Path) -> None:
    """A day's amount is in week, month, total and history; a page's in its views alone; both are taken back."""
    service = office.service
    service.clock.now_ms = system_clock()
    await office.json("PATCH", SITE, {"public_stats": True})
    await service.hit("/tin/1")
    before = await service.widget(metric="views")
    today = before["meta"]["as_of"][:10]
    await office.json(
        "POST",
        f"{SITE}/adjustments",
        {"metric": "views", "amount": 40, "day": today, "reason": "kiosk", "author": "văn phòng"},
    )
    for period in ("today", "week", "month", "total"):
        while (await service.widget(metric="views"))[period] != before[period] + 40:
            pass
    while (await (await service.get("/v1/sites/portal/history")).json())["points"][-1]["views"] != 41:
        pass
    old = tmp_path / "old.csv"
    old.write_text("path,views\n/tin/1,969\n/tin/2/,31\nhttps://xa.example/tin/2?utm=x,9\n", encoding="utf-8")
    assert "3 lines: 2 pages, 1,009 views" in await shell.must(
        "adjust", "portal", "--csv", str(old), "--dry-run"
    )
    await shell.must("adjust", "portal", "--csv", str(old), "--reason", "old counter")
    code, _said, complained = await shell.run("adjust", "portal", "--csv", str(old), "--reason", "again")
    assert (code, "in the ledger already" in complained) == (1, True)

    async def views() -> list[int]:
        found = await (await service.get("/v1/sites/portal/pages?path=/tin/1&path=/tin/2")).json()
        return [page["views"] for page in found["pages"]]

    assert await views() == [970, 40]
    assert (await service.widget(metric="views"))["total"] == before["total"] + 40
    rows = (await office.json("GET", f"{SITE}/adjustments"))["adjustments"]
    assert [(row["amount"], row["page"]) for row in rows] == [(40, None), (969, "/tin/1"), (40, "/tin/2")]
    await shell.must("adjust", "portal", "--reverse", str(rows[0]["id"]), "--reason", "kiosk counted itself")
    assert (await service.widget(metric="views"))["today"] == before["today"]
    await shell.must("adjust", "portal", "--reverse-csv", str(old), "--reason", "wrong file")
    assert await views() == [1, 0]
    twice = await office.ask("POST", f"{SITE}/adjustments/{rows[0]['id']}/reversal", {"reason": "x"})
    assert (twice.status, "taken back before" in (await twice.json())["detail"]) == (400, True)
    assert "takes back" in await shell.must("adjust", "portal", "--list")
    shell._environment |= environment_of(service.settings)  # the audit reads what the service may not
    _code, said, _complained = await shell.run("check", "--site", "portal", "--json")
    found = {line["check"]: line["result"] for line in json.loads(said)["checks"]}
    assert (found["totals"], found["days"]) == ("good", "good"), said


async def test_adjustment_shows_before_the_next_rollup(office: Office) -> None:
    """An amount that was added or taken back over HTTP is in the widget though nobody rolls up."""
    settings = office.service.settings.model_copy(update={"rollup_seconds": 3600.0})
    async with running(settings, SetClock()) as service:
        quiet = Office(service, office.tokens)
        assert (await service.widget(metric="views"))["total"] == 0
        added = await quiet.json(
            "POST", f"{SITE}/adjustments", {"metric": "views", "amount": 40, "reason": "old counter"}
        )
        while (await service.widget(metric="views"))["total"] != 40:
            pass
        row = added["adjustments"][0]["id"]
        await quiet.json("POST", f"{SITE}/adjustments/{row}/reversal", {"reason": "a mistake"})
        while (await service.widget(metric="views"))["total"] != 0:
            pass


async def test_total_starts_where_the_old_counter_was(office: Office) -> None:
    """A total holds what Redis has not handed over yet; said again, or by two at once, it adds nothing."""
    await office.service.hit()
    body = {"total": 412_135, "reason": "old counter", "author": "văn phòng"}
    both = await asyncio.gather(*(office.ask("POST", f"{SITE}/adjustments", body) for _ in range(2)))
    assert sorted(answer.status for answer in both) == [200, 201]
    rows = (await office.json("GET", f"{SITE}/adjustments"))["adjustments"]
    assert {row["metric"]: row["amount"] for row in rows} == dict.fromkeys(
        ("views", "visits", "visitors"), 412_134
    )
    assert {row["author"] for row in rows} == {"văn phòng"}
    while (await office.service.widget())["total"] != 412_135:
        pass
    views = {"total": 500_000, "metric": "views", "reason": "correction"}
    (row,) = (await office.json("POST", f"{SITE}/adjustments", views))["adjustments"]
    assert (row["metric"], row["amount"]) == ("views", 87_865)
    (change, *_) = (await office.json("GET", f"{SITE}/changes"))["changes"]
    assert (change["actor"], change["after"]["reason"]) == ("token head", "correction")


async def test_list_of_old_views(office: Office) -> None:
    """Views of many pages come as CSV, all or none, once, and are taken back together."""
    lists = f"{SITE}/adjustments/lists"
    old = "\ufeffpath,views\n/tin/1,969\n/tin/2/,31\nhttps://xa.example/tin/2?utm=x,9\n/tin/3,0\n"
    tried = await office.json("POST", f"{lists}?dry_run=true", old)
    source = tried["source"]
    assert tried == {"source": source, "lines": 4, "pages": 3, "views": 1009, "added": 0}
    assert (await office.json("GET", f"{SITE}/adjustments"))["adjustments"] == []
    assert (await office.ask("POST", lists, old)).status == 400  # no reason
    assert await office.json("POST", f"{lists}?reason=old%20counter", old) == {**tried, "added": 2}
    again = await office.ask("POST", f"{lists}?reason=again", old)
    assert (again.status, "in the ledger already" in (await again.json())["detail"]) == (400, True)

    async def views() -> list[int]:
        page = await office.service.get("/v1/sites/portal/pages?path=/tin/1&path=/tin/2")
        return [found["views"] for found in (await page.json())["pages"]]

    while await views() != [969, 40]:
        pass
    rows = (await office.json("GET", f"{SITE}/adjustments"))["adjustments"]
    assert {row["author"] for row in rows} == {"token head"}
    taken = await office.json("POST", f"{lists}/{source}/reversal", {"reason": "wrong list"})
    assert taken == {"source": source, "added": 2}
    while await views() != [0, 0]:
        pass
    assert (await office.ask("POST", f"{lists}/{source}/reversal", {"reason": "x"})).status == 400


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ("path,views\n/a,1\n/b,x\n", 400, "the list:3:"),
        (b"path,views\n/\xff,1\n", 400, "not in UTF-8"),
        ("", 400, "no line"),
        ("/a," + "1" * 30, 400, "the views are"),
        ("/a,1\n" * 900_000, 413, ""),
        ({"reason": "x"}, 415, "text/csv"),
    ],
    ids=["line", "encoding", "empty", "number", "size", "type"],
)
async def test_list_that_is_none(office: Office, body: object, status: int, complaint: str) -> None:
    """A list is taken whole or not at all, is bounded, and a mistake is told with its line."""
    answer = await office.ask("POST", f"{SITE}/adjustments/lists?reason=x", body)
    assert answer.status == status
    assert complaint in (await answer.json())["detail"]
    assert (await office.json("GET", f"{SITE}/adjustments"))["adjustments"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"amount": -1000},
        {"amount": -1000, "metric": "visits"},
        {"amount": -1, "page": "/nothing"},
        {"amount": -1, "day": "2026-06-01"},
        {"amount": 1, "day": "2100-01-01"},
        {"amount": 1, "day": "yesterday"},
        {"amount": 1, "metric": "visitors", "page": "/a"},
        {"amount": 1, "metric": "bots"},
        {"amount": 0},
        {"amount": True},
        {"amount": 10**30},
        {"amount": 1, "reason": ""},
        {"amount": 1, "reason": "\0"},
        {"amount": 1, "page": "\ud800"},
        {},
        {"total": -1},
        {"total": 5, "amount": 5},
        {"total": 5, "day": "2026-06-01"},
        {"total": 5, "page": "/a"},
        {"total": 5, "metric": "bots"},
    ],
)
async def test_adjustment_that_would_lie(office: Office, body: dict[str, Any]) -> None:
    """Nothing is ever shown as less than nothing, lies ahead, or has no reason; what is refused leaves no row."""
    await office.service.hit()
    answer = await office.ask("POST", f"{SITE}/adjustments", {"reason": "a test", **body})
    assert answer.status == 400, await answer.text()
    assert (await office.json("GET", f"{SITE}/adjustments"))["adjustments"] == []


async def test_examples_of_the_documentation(
    office: Office, settings: Settings, here: Path, tmp_path: Path
) -> None:
    """Each file, command and request that docs/administration.md shows does what the page says, in its order."""
    page = (here / "docs" / "administration.md").read_text(encoding="utf-8")
    shell = Shell(settings)
    files = {name: str(tmp_path / name) for name in ("sites.yaml", "old.csv")}
    lists: dict[str, str] = {}
    commands = requests = 0
    for kind, block in re.findall(r"```(\S+)\n(.*?)```", page, re.DOTALL):
        if kind == "yaml":
            (tmp_path / "sites.yaml").write_text(block, encoding="utf-8")
        if kind == "csv":
            lists["old.csv"] = block
            (tmp_path / "old.csv").write_text(block, encoding="utf-8")
        for line in block.replace("\\\n", "").splitlines() if kind == "sh" else ():
            words = shlex.split(line, comments=True)
            if words[:1] == ["counter"]:
                await shell.must(*(files.get(word, word) for word in words[1:]))
                commands += 1
            if words[:1] == ["curl"]:
                options = dict(pairwise(words))
                address = words[-1].removeprefix("http://127.0.0.1:8081")
                body = json.loads(options["-d"]) if "-d" in options else None
                if "--data-binary" in options:
                    body = lists[options["--data-binary"].removeprefix("@")]
                answer = await office.ask(options.get("-X", "POST" if body else "GET"), address, body)
                assert answer.status < 300, (line, await answer.text())
                requests += 1
    assert commands > 15
    assert requests > 5


async def test_tokens_by_command(office: Office, shell: Shell) -> None:
    """A token is printed once, listed without itself, and worth nothing once it is revoked; the log says who did it."""
    token = (await shell.must("token", "add", "screen", "--scope", "site", "--site", "portal")).strip()
    assert token.startswith(PREFIX)
    office.tokens["screen"] = token
    assert (await office.ask("GET", SITE, scope="screen")).status == 200
    listed = await shell.must("token", "list")
    assert "screen" in listed
    assert token not in listed
    await shell.must("token", "revoke", "screen")
    assert (await office.ask("GET", SITE, scope="screen")).status == 401
    changes = json.loads(await shell.must("changes", "--json", "--limit", "2"))["changes"]
    assert [change["action"] for change in changes] == ["token.revoke", "token.add"]
    assert token not in json.dumps(changes)
    assert "screen" not in await shell.must("changes", "--site", "other")
