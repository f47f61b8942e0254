"""What a look at a server found: whether a thing is as it should be, and what to do where it is not."""

from collections.abc import Iterable
from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """`says` is one sentence about `check`; `remedy` what to do, empty where nothing has to be done."""

    check: str
    state: State
    says: str
    remedy: str = ""


def worst(findings: Iterable[Finding]) -> State:
    states = {finding.state for finding in findings}
    return "problem" if "problem" in states else "warning" if "warning" in states else "ok"


def ok(check: str, says: str) -> Finding:
    return Finding(check, "ok", says)


def warning(check: str, says: str, remedy: str) -> Finding:
    return Finding(check, "warning", says, remedy)


def problem(check: str, says: str, remedy: str) -> Finding:
    return Finding(check, "problem", says, remedy)
