"""What the doctor says: one finding a line, each with what to do about it. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from counter.checks.findings import many


class Verdict(StrEnum):
    """How a part came out: `fix` loses or falsifies numbers, `consider` may be meant."""

    GOOD = "good"
    CONSIDER = "consider"
    FIX = "fix"
    UNKNOWN = "unknown"


EXIT_CODES: Final = {Verdict.GOOD: 0, Verdict.CONSIDER: 0, Verdict.FIX: 1, Verdict.UNKNOWN: 2}
_WORST_FIRST: Final = (Verdict.FIX, Verdict.UNKNOWN, Verdict.CONSIDER, Verdict.GOOD)


class Advice(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        finding: its name in JSON; it never changes.
        part: whose state it is about.
        detail: what was seen.
        todo: what to do, empty if nothing.
    """

    finding: str
    part: str
    verdict: Verdict
    detail: str
    todo: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """All that was looked at; `as_of` is ISO 8601."""

    verdict: Verdict
    exit_code: int
    as_of: str
    version: str
    findings: list[Advice]


def good(finding: str, part: str, detail: str) -> Advice:
    """Return a finding that needs nothing."""
    return Advice(finding, part, Verdict.GOOD, detail)


def fix(finding: str, part: str, detail: str, todo: str) -> Advice:
    """Return a finding that has to be mended."""
    return Advice(finding, part, Verdict.FIX, detail, todo)


def consider(finding: str, part: str, detail: str, todo: str) -> Advice:
    """Return a finding that may be meant."""
    return Advice(finding, part, Verdict.CONSIDER, detail, todo)


def unseen(finding: str, part: str, reason: str, todo: str) -> Advice:
    """Return a finding that could not be made."""
    return Advice(finding, part, Verdict.UNKNOWN, f"could not be looked at: {reason}", todo)


def diagnosed(findings: Iterable[Advice], *, as_of: str, version: str) -> Diagnosis:
    """Sum up: what has to be fixed outweighs what could not be seen."""
    listed = list(findings)
    verdicts = {each.verdict for each in listed}
    verdict = next((each for each in _WORST_FIRST if each in verdicts), Verdict.GOOD)
    return Diagnosis(verdict, EXIT_CODES[verdict], as_of, version, listed)


def summary(diagnosis: Diagnosis) -> str:
    """Say in a sentence how it came out."""
    count = {verdict: sum(each.verdict is verdict for each in diagnosis.findings) for verdict in _WORST_FIRST}
    if diagnosis.verdict is Verdict.GOOD:
        return f"Nothing to do: {many(len(diagnosis.findings), 'thing')} looked at."
    said = (
        f"{count[Verdict.FIX]} to fix" if count[Verdict.FIX] else "",
        f"{count[Verdict.CONSIDER]} to consider" if count[Verdict.CONSIDER] else "",
        f"{count[Verdict.UNKNOWN]} could not be looked at" if count[Verdict.UNKNOWN] else "",
        f"{count[Verdict.GOOD]} good",
    )
    return f"{many(len(diagnosis.findings), 'thing')} looked at: {', '.join(filter(None, said))}."
