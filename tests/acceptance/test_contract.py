"""The OpenAPI document against the running service."""

import re
from typing import Any

import pytest

from counter.app import build
from counter.config import Settings
from tests.acceptance.conftest import Running


@pytest.fixture
async def contract(service: Running) -> dict[str, Any]:
    found: dict[str, Any] = await (await service.get("/openapi.json")).json()
    return found


async def test_contract_names_every_address_and_no_other(
    settings: Settings, contract: dict[str, Any]
) -> None:
    """What is served is what the contract says, address by address and method by method."""
    async with build(settings.model_copy(update={"demo": False})) as service:
        served = {
            (resource.canonical, route.method)
            for resource in service.public.router.resources()
            for route in resource
            if route.method != "HEAD"
        }
    methods = {"get", "post", "options", "put", "delete"}
    said = {
        (path, method.upper())
        for path, item in contract["paths"].items()
        for method in item
        if method in methods
    }
    assert said == served


def _check(schema: dict[str, Any], value: Any, contract: dict[str, Any], where: str = "") -> None:
    """Check a value against the few parts of JSON Schema that the contract uses."""
    if "$ref" in schema:
        schema = contract["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for part in schema.get("allOf", []):
        _check(part, value, contract, where)
    kinds = {
        "integer": int,
        "string": str,
        "object": dict,
        "array": list,
        "boolean": bool,
        "null": type(None),
    }
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or type(value) in [kinds[kind] for kind in types], where
    assert value in schema.get("enum", [value]), where
    assert set(schema.get("required", [])) <= set(value if isinstance(value, dict) else ()), where
    for name, part in schema.get("properties", {}).items():
        if name in value:
            _check(part, value[name], contract, f"{where}/{name}")
    for item in value if "items" in schema else ():
        _check(schema["items"], item, contract, where)


async def test_answers_have_the_form_of_the_contract(service: Running, contract: dict[str, Any]) -> None:
    """Numbers, pages, hits and problems are what the contract says they are."""
    schemas = contract["components"]["schemas"]
    _check(schemas["HitAnswer"], await (await service.hit()).json(), contract)
    for metric in ("views", "visits", "visitors"):
        _check(schemas["Widget"], await service.widget(metric=metric), contract)
    _check(
        schemas["Pages"], await (await service.get("/v1/sites/portal/pages?path=/a&path=/b")).json(), contract
    )
    problem = await (await service.get("/v1/sites/nobody/widget")).json()
    _check(schemas["Problem"], problem, contract)
    assert re.fullmatch(r"urn:counter:problem:[a-z-]+", problem["type"])


async def test_statistics_have_the_form_of_the_contract(service: Running, contract: dict[str, Any]) -> None:
    """Histories of each unit, and the top pages, are what the contract says they are."""
    await service.add_site("open", public_stats=True)
    await service.hit(site="open")
    schemas = contract["components"]["schemas"]
    for unit in ("hour", "day", "week", "month"):
        found = await (await service.get(f"/v1/sites/open/history?unit={unit}")).json()
        _check(schemas["History"], found, contract)
    _check(schemas["Top"], await (await service.get("/v1/sites/open/top")).json(), contract)
