"""Mail is handed to the configured server (SMTP, RFC 5321), by the library aiosmtplib, which is imported where mail is
sent only. With `starttls` and `tls` nothing is said before the connection is encrypted and the certificate verified."""

import asyncio
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, localtime, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING

from delta_server.core.errors import DeltaError
from delta_server.core.mails import Mail
from delta_server.storage.mail.options import Smtp

if TYPE_CHECKING:
    import aiosmtplib

TIMEOUT_S = 30
_FOR_GOOD = range(500, 600)


class MailFailed(DeltaError):
    """The mail was not taken; it may be later. The message has neither the mail nor the password in it."""


class MailRefused(MailFailed):
    """The server will not take this mail at any time (5xx), an address that does not exist perhaps."""


async def send(options: Smtp, mail: Mail) -> None:
    """Raises MailFailed, MailRefused."""
    password, context = await asyncio.to_thread(_prepared, options)
    import aiosmtplib

    client = aiosmtplib.SMTP(
        hostname=options.host,
        port=options.port,
        use_tls=options.tls == "tls",
        start_tls=options.tls == "starttls",
        tls_context=context,
        timeout=TIMEOUT_S,
        local_hostname="localhost",  # else the resolver is asked for it, on the event loop
    )
    try:
        async with asyncio.timeout(4 * TIMEOUT_S):
            await client.connect()
            if options.username:
                await client.login(options.username, password)
            await client.send_message(_message(options, mail), sender=options.from_address, recipients=[mail.to])
            await _quit(client)
    except aiosmtplib.SMTPException as error:
        raise _failure(error) from None
    except (OSError, TimeoutError) as error:
        raise MailFailed(f"the mail server {options.host} cannot be reached: {_reason(error)}") from None
    finally:
        client.close()  # as a context manager it would wait for the answer to QUIT when the server is going down


async def _quit(client: "aiosmtplib.SMTP") -> None:
    """Say goodbye: the mail is taken, whatever is answered."""
    import aiosmtplib

    with suppress(aiosmtplib.SMTPException):
        await client.quit()


def _prepared(options: Smtp) -> tuple[str, ssl.SSLContext | None]:
    """On a thread: files are read, and the library is imported."""
    import aiosmtplib  # noqa: F401 - for its effect: the next import of it takes no time

    try:
        password = Path(options.password_file).read_text(encoding="utf-8").strip() if options.password_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise MailFailed(f"smtp.password_file cannot be read: {_reason(error)}") from None
    return password or options.password, None if options.tls == "none" else ssl.create_default_context()


def _message(options: Smtp, mail: Mail) -> EmailMessage:
    """Headers cannot be added by what is in a mail: the policy refuses line breaks, which no address or name has."""
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr(("Delta", options.from_address))
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=options.from_address.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _failure(error: "aiosmtplib.SMTPException") -> MailFailed:
    import aiosmtplib

    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailFailed(f"the mail server refuses smtp.username and its password ({error.code})")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        about_mail = isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
        kind = MailRefused if about_mail and error.code in _FOR_GOOD else MailFailed
        return kind(f"the mail server answered {error.code}: {_printable(error.message)}")
    return MailFailed(f"the mail server could not be used: {_printable(str(error))}")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:200]


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or _printable(str(error)) or "no answer in time"
