"""When a delivery that failed is tried again, and which failures hold up what comes behind it."""

import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

FailureClass: TypeAlias = Literal[
    "address",
    "blocked",
    "dns",
    "connection",
    "tls",
    "timeout",
    "protocol",
    "encoding",
    "too large",
    "redirect",
    "status",
    "gone",
    "mail",
    "apprise",
    "template",
]
"""What went wrong, without the text: a receiver's address and answer would tell whoever may list deliveries what is in
a network they cannot see. `status` is an answer that is not 2xx, `gone` 410, `mail` one that was not taken, `template`
a body that is too large."""

RETRIES_S: tuple[int, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failure: ten attempts in three days, as Standard Webhooks proposes."""
MOST_RETRIES = 20
LONGEST_RETRY_S = 86_400
GIVEN_UP_MS = 5 * 86_400_000
"""A receiver that has failed for so long is sent nothing any more."""
MOST_RETRY_AFTER_S = 86_400
_JITTER = 0.2
_HELD_UP_BY = frozenset({401, 403, 404, 408, 410, 425, 429})
"""Of 4xx, those that say something about the receiver and not about this one message."""


def delay_ms(retries_s: Sequence[int], failures: int, chance: float, *, retry_after_s: int | None = None) -> int | None:
    """After so many failures, 20 % more or less by `chance` in [0, 1); None when there is no further attempt. It is not
    before the receiver asks for it."""
    if failures > len(retries_s):
        return None
    delay = retries_s[failures - 1] * 1000 * (1 - _JITTER + 2 * _JITTER * chance)
    return int(max(delay, 1000 * min(retry_after_s or 0, MOST_RETRY_AFTER_S)))


def is_success(status: int) -> bool:
    return 200 <= status < 300


def holds_up(status: int | None) -> bool:
    """Whether later deliveries about the same endpoint wait until this one has arrived. What the receiver refuses for
    what is in it (400, 413, 422 and so on), is tried again by itself: it may never be taken."""
    return status is None or not 400 <= status < 500 or status in _HELD_UP_BY


def retry_after_s(status: int, text: str | None, *, now_s: int) -> int | None:
    """In seconds, of a Retry-After that stands with 429 or 503: a number, or a date (RFC 9110, 10.2.3)."""
    if status not in (429, 503) or text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp()) - now_s)
    except (ValueError, OverflowError):
        return None
