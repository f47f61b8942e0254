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
    if len(email) > MAX_CHARACTERS or not _FORM.fullmatch(email):
        raise Invalid(f"{field} must be an e-mail address like ada@example.com", field=field)
    return email
