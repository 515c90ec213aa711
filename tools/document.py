"""Writes the reference pages that are made from the code; `make docs` runs it.

The command line comes from click, the metrics from their registry, the interface from its OpenAPI file.
A test holds the committed pages to it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from prometheus_client import CollectorRegistry

from counter import metrics
from counter.cli import counter
from counter.metrics import Metrics, WorkerMetrics

_DOCS: Final = Path(__file__).parent.parent / "docs"
_CONTRACT: Final = Path(metrics.__file__).parent / "widget" / "static" / "openapi.json"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_LINE: Final = 110


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    contract = msgspec.json.decode(_CONTRACT.read_bytes())
    return {
        "commands.md": _ending(_commands()),
        "metrics.md": _ending(_metrics(_registry())),
        "api.md": _ending(_api(contract)),
    }


def _registry() -> CollectorRegistry:
    """Return all metrics of a process, and those of a parent of several."""
    registry = Metrics().registry
    WorkerMetrics(registry)
    return registry


def _ending(lines: Iterator[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


# ------------------------------------------------------------------ the command line


def _commands() -> Iterator[str]:
    yield from (
        "# Commands",
        "",
        "Made from the code by `make docs`. Settings come from the [environment](configuration.md).",
        "",
    )
    yield from _command(counter, "counter")


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found and not found.hidden:
                yield from _command(found, f"{path} {name}")
        return
    words = [piece for piece in command.collect_usage_pieces(context) if piece]
    yield from (f"## {path}", "", "```text", " ".join([path, *words]), "```", "")
    yield from _paragraphs(command.help or "")
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if options:
        yield from ("| option | meaning |", "|---|---|")
        for option in options:
            record = option.get_help_record(context)
            names, meaning = record or ("", "")
            yield f"| `{_cell(names)}` | {_cell(meaning)} |".replace("&lt;", "<", 1)
        yield ""


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.replace("\b", "").split("\n\n"):
        if paragraph.strip():
            yield from (_cell(paragraph), "")


# ------------------------------------------------------------------ the metrics


def _metrics(registry: CollectorRegistry) -> Iterator[str]:
    yield from (
        "# Metrics",
        "",
        "Made from the code by `make docs`. They are on the admin listener, `http://127.0.0.1:8081/metrics`.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    )
    # The registry keeps the labels of a metric in the metric itself alone.
    labels = {
        collector._name: collector._labelnames  # noqa: SLF001 - no public name
        for collector in registry._collector_to_names  # noqa: SLF001
        if hasattr(collector, "_labelnames")
    }
    for family in sorted(registry.collect(), key=lambda each: each.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        of = ", ".join(f"`{label}`" for label in labels.get(family.name, ()))
        yield f"| `{name}` | {family.type} | {of} | {_cell(family.documentation)} |"


# ------------------------------------------------------------------ the interface


def _api(contract: dict[str, Any]) -> Iterator[str]:
    yield from (
        "# Interface",
        "",
        "Made from `/openapi.json` (OpenAPI 3.1) by `make docs`; the running service is tested against it.",
        "",
        _cell(contract["info"]["description"]),
        "",
    )
    for path, item in contract["paths"].items():
        for method in _METHODS:
            if method in item:
                shared = item.get("parameters", [])
                yield from _operation(f"{method.upper()} {path}", item[method], shared)
    yield from ("## Shapes", "")
    for name, schema in contract["components"]["schemas"].items():
        yield from _shape(name, schema)


def _operation(title: str, operation: dict[str, Any], shared: list[dict[str, Any]]) -> Iterator[str]:
    yield from (f"## `{title}`", "", _cell(operation.get("summary", "")), "")
    if operation.get("description"):
        yield from (_cell(operation["description"]), "")
    parameters = [*shared, *operation.get("parameters", [])]
    if parameters:
        yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
        for each in parameters:
            must = " (required)" if each.get("required") else ""
            yield (
                f"| `{each['name']}` | {each['in']}{must} | {_type(each.get('schema', {}))} "
                f"| {_cell(each.get('description', ''))} |"
            )
        yield ""
    body = operation.get("requestBody")
    if body:
        kinds = "; ".join(f"`{kind}`: {_type(of['schema'])}" for kind, of in body["content"].items())
        yield from (f"Body: {kinds}. {_cell(body.get('description', ''))}", "")
    yield from ("| answer | body | meaning |", "|---|---|---|")
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            yield f"| {status} | {_type({'$ref': '#/components/schemas/Problem'})} | what went wrong |"
        else:
            kinds = "<br>".join(
                f"`{kind}`: {_type(of.get('schema', {}))}" for kind, of in answer.get("content", {}).items()
            )
            yield f"| {status} | {kinds} | {_cell(answer.get('description', ''))} |"
    yield ""


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield from (f"### {name}", "")
    if schema.get("description"):
        yield from (_cell(schema["description"]), "")
    for part in schema.get("allOf", []):
        if "$ref" in part:
            yield from (f"All of {_type(part)}, and:", "")
    merged = {
        key: value
        for part in (schema, *schema.get("allOf", []))
        for key, value in part.get("properties", {}).items()
    }
    needed = {key for part in (schema, *schema.get("allOf", [])) for key in part.get("required", [])}
    if merged:
        yield from ("| field | type | meaning |", "|---|---|---|")
        for field, of in merged.items():
            must = " (always)" if field in needed else ""
            yield f"| `{field}` | {_type(of)}{must} | {_cell(of.get('description', ''))} |"
        yield ""


def _type(schema: dict[str, Any]) -> str:
    """Return a schema in a word or two."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_type(each) for each in schema[several])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return _cell(" or ".join(kind) if isinstance(kind, list) else str(kind))


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (_DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
