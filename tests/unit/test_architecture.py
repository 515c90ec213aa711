"""The shape of the program: which room may import which, and what pure rooms leave alone."""

import ast
from graphlib import TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

import counter

SOURCE = Path(counter.__file__).parent
SQL = SOURCE.parent / "sql" / "queries"
MAX_LINES = 300

BELOW = {
    "asked",
    "background",
    "bodies",
    "clock",
    "config",
    "database",
    "errors",
    "http",
    "metrics",
    "ready",
    "steps",
    "surroundings",
    "tracing",
}
"""What every room may stand on."""

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "surroundings": set(),
    "tracing": {"config", "errors"},
    "metrics": {"surroundings", "tracing"},  # slow times name the trace that they are of
    "log": set(),
    "memory": set(),
    "background": set(),
    "steps": set(),
    "config": {"errors"},
    "database": {"errors"},
    "ready": {"clock"},  # the date is in every answer
    "asked": {"ready"},
    "http": {"asked", "errors", "metrics", "ready"},
    "bodies": {"asked", "errors"},
    "whole": set(),
    "express": {"asked", "errors", "http", "ready", "whole"},
    "connections": {
        "asked",
        "background",
        "express",
        "http",
        "metrics",
        "ready",
        "whole",
    },  # what is no HTTP is answered in the form of all errors
    "drain": {"connections"},
    "supervisor": {"errors"},
    "listen": {"errors", "metrics", "connections", "drain", "express", "whole"},
    # what is kept
    "sites": BELOW,
    "aggregates": BELOW,
    "buckets": BELOW | {"sites"},
    # who may change what: the rules that the command line and HTTP share
    "administration": BELOW | {"sites", "aggregates"},
    # what is done with it
    "hits": BELOW | {"buckets", "sites"},
    "widget": BELOW | {"buckets", "aggregates", "sites"},  # a page's views are in both stores
    "rollup": BELOW | {"buckets", "aggregates", "sites"},  # from one store to the other
    "admin": BELOW | {"administration", "buckets", "aggregates", "sites"},
    # a log goes the way of hits and of the rollup, beside the service
    "imports": BELOW | {"hits", "rollup", "buckets", "aggregates", "sites"},
    # what is in Postgres, as files for people
    "exports": BELOW | {"sites"},
    # compares what both stores hold with what is shown, and knows what a rollup leaves open
    "checks": BELOW | {"widget", "rollup", "buckets", "aggregates", "sites"},
    # who puts it all together: `app` in the order of the rooms, `wiring` what takes more than a line there
    "wiring": BELOW | {"hits", "widget", "rollup", "admin", "buckets", "aggregates", "sites"},
    # judges the servers as the audit does, and what surrounds them
    "doctor": BELOW | {"checks", "buckets"},
    # rolls up, dumps, and proves by the audit that what comes back is the same
    "backups": BELOW | {"exports", "checks", "rollup", "buckets", "aggregates", "sites"},
    "app": BELOW
    | {
        "listen",
        "drain",
        "memory",
        "express",
        "supervisor",
        "wiring",
        "hits",
        "widget",
        "rollup",
        "admin",
        "buckets",
        "sites",
    },
    "embedded": BELOW | {"app"},
    "workers": BELOW
    # a worker is the service; the parent asks it, and has the memory of all limits
    | {"app", "listen", "drain", "supervisor", "admin", "hits"},
    "commands": BELOW
    | {
        "log",
        "administration",
        "supervisor",
        "app",
        "memory",
        "wiring",
        "embedded",
        "workers",
        "imports",
        "exports",
        "backups",
        "checks",
        "doctor",
        "hits",
        "listen",  # `audit` shows its metrics
        "admin",
        "widget",  # `site show` prints the tag of the script's latest build
        "rollup",
        "buckets",
        "aggregates",
        "sites",
    },
    "cli": {"commands"},
    "__main__": {"cli", "errors"},
}
"""Room → the rooms it may import. Every room may import itself and the version."""

STAGES = {"hits", "widget", "rollup", "admin"}
STORES = {"buckets", "aggregates"}
INPUT_AND_OUTPUT = {
    "aiohttp", "asyncio", "asyncpg", "io", "logging", "multiprocessing", "os", "pathlib", "random", "redis",
    "secrets", "select", "shutil", "signal", "socket", "ssl", "structlog", "subprocess", "tempfile",
    "threading", "time", "uvloop",
}  # fmt: skip
READS_TEXT = {"AF_INET", "AF_INET6", "inet_pton"}
"""What pure modules may take from `socket`: it reads an address, and opens nothing."""
PURE_STAND_ON = {"counter", "counter.config", "counter.errors"}
MUST_BE_PURE = {
    "counter.administration.balances",
    "counter.administration.documents",
    "counter.administration.file",
    "counter.administration.plan",
    "counter.administration.scopes",
    "counter.aggregates.entries",
    "counter.backups.manifest",
    "counter.buckets.base",
    "counter.buckets.batch",
    "counter.buckets.keys",
    "counter.checks.counts",
    "counter.checks.findings",
    "counter.checks.keyspace",
    "counter.checks.rules",
    "counter.doctor.findings",
    "counter.doctor.rules",
    "counter.doctor.running",
    "counter.commands.snippets",
    "counter.exports.tables",
    "counter.exports.text",
    "counter.hits.admission",
    "counter.hits.beacon",
    "counter.hits.bots",
    "counter.hits.client",
    "counter.hits.visitors",
    "counter.imports.history",
    "counter.imports.records",
    "counter.imports.sources.mysql",
    "counter.imports.sources.tables",
    "counter.sites.calendar",
    "counter.sites.model",
    "counter.sites.paths",
    "counter.tracing.wanted",
    "counter.widget.answers",
    "counter.widget.badge",
    "counter.widget.block",
    "counter.widget.chart",
    "counter.widget.embed",
    "counter.widget.locales",
    "counter.widget.markup",
    "counter.widget.periods",
    "counter.widget.listing",
    "counter.widget.names",
    "counter.widget.render",
    "counter.widget.series",
    "counter.widget.sheet",
    "counter.widget.stats",
    "counter.widget.stats_past",
    "counter.widget.story",
    "counter.widget.snapshot",
    "counter.workers.merging",
}


def name_of(file: Path) -> str:
    parts = ("counter", *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(file): ast.parse(file.read_text(encoding="utf-8")) for file in sorted(SOURCE.rglob("*.py"))
}
PURE = {
    name
    for name, tree in MODULES.items()
    if (ast.get_docstring(tree) or "").partition("\n\n")[0].endswith("Pure.")
}
each_module = pytest.mark.parametrize("name", MODULES)


def imports_of(name: str) -> set[str]:
    """Return the names of the modules that a module imports, of the counter as `counter.room.module`."""
    found: set[str] = set()
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            if node.module == "socket" and {alias.name for alias in node.names} <= READS_TEXT:
                continue
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {str(node.module)}
    return found


def room_of(name: str) -> str:
    """Return the room of a module of the counter; the package itself holds nothing but the version."""
    return name.split(".")[1] if "." in name else ""


@each_module
def test_imports_point_downwards(name):
    """A room imports only rooms that the table lets it, so a change stays where it is made."""
    rooms = {room_of(found) for found in imports_of(name) if found.split(".")[0] == "counter"}
    own = room_of(name)
    assert rooms - {own, ""} <= (MAY_IMPORT[own] if own else set())


def test_table_of_imports():
    """The table has no circle, stages and stores do not know each other, and few rooms know both stores."""
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert set(order) == set(MAY_IMPORT)
    assert all(not MAY_IMPORT[room] & STAGES for room in STAGES | STORES)
    assert all(not MAY_IMPORT[room] & STORES for room in STORES)
    knows_both = {room for room, allowed in MAY_IMPORT.items() if allowed >= STORES}
    assert knows_both == {"rollup", "widget", "admin", "imports", "checks", "backups", "wiring", "commands"}


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_module_does_no_input_or_output(name):
    """A pure module reads no clock, chance, file or network, and stands on pure modules alone."""
    imports = imports_of(name)
    assert not {
        found for found in imports if found in INPUT_AND_OUTPUT or found.split(".")[0] in INPUT_AND_OUTPUT
    }
    assert {found for found in imports if found.split(".")[0] == "counter"} <= PURE | PURE_STAND_ON
    for node in ast.walk(MODULES[name]):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"open", "print", "input", "datetime.now", "date.today"}


def test_what_must_be_pure_says_so():
    """The rules of counting are in modules that call themselves pure, so that they are held to it."""
    assert MUST_BE_PURE <= PURE


@each_module
def test_module(name):
    """Every module says what it owns, has no `global`, and only the configuration reads the environment."""
    tree = MODULES[name]
    assert ast.get_docstring(tree)
    nodes = list(ast.walk(tree))
    assert not any(isinstance(node, ast.Global) for node in nodes)
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    named |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert name == "counter.config" or not named & {"environ", "environb", "getenv", "putenv"}


@each_module
def test_clock_is_passed_in(name):
    """Only the clock reads the time of day, so that a test can set it."""
    if name != "counter.clock":
        assert "time" not in imports_of(name)
        calls = {ast.unparse(node.func) for node in ast.walk(MODULES[name]) if isinstance(node, ast.Call)}
        assert not calls & {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def test_files_are_short():
    """A file of the program is read at one sitting: none is longer than 300 lines."""
    files = [file for kind in ("py", "lua", "js") for file in SOURCE.rglob(f"*.{kind}")]
    lengths = {
        str(file.relative_to(SOURCE)): len(file.read_text(encoding="utf-8").splitlines()) for file in files
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def strings_given_to(function: str) -> set[str]:
    """Return the literal first arguments of all calls of a function."""
    calls = (node for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = (call for call in calls if ast.unparse(call.func) == function and call.args)
    return {str(call.args[0].value) for call in named if isinstance(call.args[0], ast.Constant)}


def test_every_query_is_used():
    """Each SQL file is a query that somebody asks, and each query asked has its file."""
    assert {file.stem for file in SQL.glob("*.sql")} == strings_given_to("read_query")


@pytest.mark.parametrize("file", sorted(SQL.glob("*.sql")), ids=lambda file: file.stem)
def test_query_explains_itself(file):
    """A query begins with what it is for, and its head explains each of its parameters and no other."""
    lines = file.read_text(encoding="utf-8").splitlines()
    head = list(takewhile(lambda line: line.startswith("--"), lines))
    assert head[0].startswith("-- ")
    assert head[0].endswith(".")
    assert "$" not in head[0]
    body = "\n".join(lines[len(head) :])
    assert body.strip()
    assert parameters(body) == parameters("\n".join(head))


def parameters(text: str) -> set[str]:
    """Return the `$n` in a text."""
    return {f"${part[: len(part) - len(part.lstrip('0123456789'))]}" for part in text.split("$")[1:]}


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.lua")), ids=lambda file: file.stem)
def test_lua_operation_explains_itself(file):
    """A Lua operation begins with what it does, its KEYS, its ARGV if it has any, and what it returns."""
    text = file.read_text(encoding="utf-8")
    head = "\n".join(takewhile(lambda line: line.startswith("--"), text.splitlines()))
    purpose = head.splitlines()[0]
    assert purpose.startswith("-- ")
    assert purpose.endswith(".")
    starts = {line.split()[1] for line in head.splitlines() if len(line.split()) > 2}
    assert {"KEYS", "returns"} <= starts
    assert ("ARGV" in starts) == ("ARGV[" in text or "(ARGV" in text)


def test_every_lua_operation_is_known():
    """Each Lua file is an operation that the program loads."""
    operations = ast.unparse(MODULES["counter.buckets.operations"])
    assert {file.stem for file in SOURCE.rglob("*.lua") if f"'{file.stem}'" not in operations} == set()
