"""What the options of mail must be together."""

from collections.abc import Iterator

from delta_server.config.sections import Config
from delta_server.core import emails
from delta_server.core.errors import Invalid

_LOCAL = {"localhost", "127.0.0.1", "::1"}


def problems(config: Config) -> Iterator[str]:
    """Each begins with the option that is to be changed."""
    smtp = config.smtp
    if not smtp.host:
        return
    if not config.server.public_url:
        yield (
            "server.public_url: is needed with smtp.host: links in mails begin with it, such as"
            " https://delta.example.com"
        )
    try:
        emails.check(smtp.from_address)
    except Invalid:
        yield "smtp.from_address: expected the address that mails come from, such as delta@example.com"
    if bool(smtp.username) != bool(smtp.password or smtp.password_file):
        yield "smtp.username: is given with smtp.password or smtp.password_file, or none of them"
    if smtp.password and smtp.password_file:
        yield "smtp.password_file: smtp.password is set as well: remove one of them"
    if smtp.username and smtp.tls == "none" and smtp.host not in _LOCAL:
        yield 'smtp.tls: "none" would send the password to another machine for all to read: starttls or tls'
