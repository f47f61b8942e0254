"""E-mail addresses as names of users: checked lightly, compared without regard to case."""

import re

from delta_server.core.errors import Invalid

MAX_CHARACTERS = 254
_NOT = r"\s@<>(),;:\\\"\[\]\x00-\x1f\x7f\ufffd"
_FORM = re.compile(rf"[^{_NOT}]{{1,64}}@[^{_NOT}]+\.[^{_NOT}.]{{2,}}")


def normal(text: str) -> str:
    """The form that is stored and looked up."""
    return text.strip().casefold()


def check(text: str, *, field: str = "email") -> str:
    """The normal form. Raises Invalid for what is no address; whether mail arrives there only mail can tell."""
    email = normal(text)
    is_plain = email.isprintable() and "=?" not in email  # which mail programs would decode (RFC 2047)
    if len(email) > MAX_CHARACTERS or not _FORM.fullmatch(email) or not is_plain or _becomes_another(text):
        raise Invalid(f"{field} must be an e-mail address like ada@example.com", field=field)
    return email


def _becomes_another(text: str) -> bool:
    """Whether letters past ASCII turn into some of it without regard to case, as ß, the sign of kelvin and ligatures
    do: mail goes to another mailbox than that of the form which is stored."""
    return any(not letter.isascii() and any(map(str.isascii, letter.casefold())) for letter in text)
