"""What has to change so that the sites are as somebody declared them. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from counter.administration.documents import DEFAULTS, enabled_of, key_of, merged, settings_document
from counter.errors import SiteError
from counter.sites.model import Site, SiteSettings

SHOWN_UNCHANGED: Final = "= {number:,} unchanged"


class Wanted(NamedTuple):
    """A site as it is to be."""

    key: str
    enabled: bool
    settings: SiteSettings


class Plan(NamedTuple):
    """What has to change.

    Attributes:
        added: sites that there are not yet.
        changed: pairs of what is and what is to be.
        removed: sites that nobody declared; only if they are to go.
        unchanged: how many stay as they are.
    """

    added: list[Wanted]
    changed: list[tuple[Wanted, Wanted]]
    removed: list[Wanted]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Tell whether everything is as it is to be."""
        return not (self.added or self.changed or self.removed)


def wanted_of(document: Mapping[str, Any], defaults: Mapping[str, Any]) -> Wanted:
    """Return the site that a document declares; what it does not name is the default.

    Raises:
        FieldError: a field is unknown, of another type, or against the rules.
    """
    settings = merged(merged(DEFAULTS, defaults), document)
    return Wanted(
        key_of(document), enabled_of(document, default=enabled_of(defaults, default=True)), settings
    )


def make_plan(there: Iterable[Site], wanted: Iterable[Wanted], *, prune: bool) -> Plan:
    """Compare what is with what is to be.

    Args:
        there: all sites that are registered.
        wanted: the sites that were declared.
        prune: sites that were not declared are to go, with their numbers.

    Raises:
        SiteError: a site was declared twice.
    """
    rest = {site.key: Wanted(site.key, site.enabled, site.settings) for site in there}
    known = dict(rest)
    added, changed, seen = [], [], set()
    for site in wanted:
        if site.key in seen:
            raise SiteError(f"{site.key}: it is there twice")
        seen.add(site.key)
        before = known.get(site.key)
        rest.pop(site.key, None)
        if before is None:
            added.append(site)
        elif before != site:
            changed.append((before, site))
    unchanged = len(known) - len(changed) - len(rest)
    removed = list(rest.values()) if prune else []
    return Plan(added, changed, removed, unchanged if prune else unchanged + len(rest))


def differences(before: Wanted, after: Wanted) -> dict[str, tuple[Any, Any]]:
    """Return, by field, what is and what is to be."""
    old = {"enabled": before.enabled, **settings_document(before.settings)}
    new = {"enabled": after.enabled, **settings_document(after.settings)}
    return {name: (old[name], new[name]) for name in old if old[name] != new[name]}


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the plan for people, a line for each field that differs."""
    plain = Wanted("", enabled=True, settings=DEFAULTS)
    for site in plan.added:
        yield f"+ {site.key}"
        for name, (_before, after) in differences(plain, site).items():
            yield f"    {name}: {_spelt(after)}"
    for before, site in plan.changed:
        yield f"~ {site.key}"
        for name, (old, new) in differences(before, site).items():
            yield f"    {name}: {_spelt(old)} → {_spelt(new)}"
    for site in plan.removed:
        yield f"- {site.key} (with all its numbers)"
    yield SHOWN_UNCHANGED.format(number=plan.unchanged)


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan for programs."""
    return {
        "added": [site.key for site in plan.added],
        "changed": [
            {
                "key": site.key,
                "fields": {
                    name: {"before": old, "after": new}
                    for name, (old, new) in differences(before, site).items()
                },
            }
            for before, site in plan.changed
        ],
        "removed": [site.key for site in plan.removed],
        "unchanged": plan.unchanged,
    }


def _spelt(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
