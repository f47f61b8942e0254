"""A small mail server for the tests, which keeps what it is sent, and fails as it is told to."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY

import msgspec

from tests.patience import PATIENT_S


class Received(msgspec.Struct, frozen=True):
    sender: str
    recipients: list[str]
    raw: bytes
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, EmailMessage, policy=POLICY)

    @property
    def text(self) -> str:
        return str(self.message.get_content())

    @property
    def token(self) -> str:
        """Of the link in it."""
        return next(line for line in self.text.splitlines() if "/link#" in line).rpartition("=")[2]


class MailServer:
    """`answers` are given in the place of its own, one at a time, by verb: `{"RCPT": ["550 no such user"]}`; an empty
    one hangs up. To verbs in `silent` it says nothing."""

    def __init__(self, *, context: ssl.SSLContext | None = None, logins: dict[str, str] | None = None) -> None:
        self.mails: list[Received] = []
        self.said: list[str] = []
        self.answers: dict[str, list[str]] = {}
        self.silent: set[str] = set()
        self.port = 0
        self._context = context
        self._logins = logins
        self._changed = asyncio.Condition()

    async def received(self, count: int, *, to: str | None = None) -> list[Received]:
        """As soon as there are so many, or so many to an address."""
        async with self._changed:
            enough = lambda: len(self._sent(to)) >= count  # noqa: E731 - a condition of one line
            await asyncio.wait_for(self._changed.wait_for(enough), PATIENT_S)
        return self._sent(to)

    def _sent(self, to: str | None) -> list[Received]:
        return self.mails if to is None else [mail for mail in self.mails if to in mail.recipients]

    async def heard(self, verb: str, count: int = 1) -> None:
        async with self._changed:
            enough = lambda: sum(line.startswith(verb) for line in self.said) >= count  # noqa: E731 - a condition of one line
            await asyncio.wait_for(self._changed.wait_for(enough), PATIENT_S)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encrypted, sender, recipients = False, "", list[str]()
        writer.write(b"220 mail.test\r\n")
        while line := (await reader.readline()).decode():
            verb, _, rest = line.strip().partition(" ")
            verb = verb.upper()
            async with self._changed:
                self.said.append(line.strip())
                self._changed.notify_all()
            if verb in self.silent:
                continue
            if given := self.answers.get(verb):
                answer = given.pop(0)
                if not answer:
                    return
                writer.write(answer.encode() + b"\r\n")
            elif verb == "EHLO":
                offers = ["STARTTLS"] if self._context and not encrypted else []
                offers += ["AUTH PLAIN"] if self._logins is not None else []
                lines = ["mail.test", *offers, "SMTPUTF8"]
                marks = ["-"] * (len(lines) - 1) + [" "]
                writer.write("".join(f"250{mark}{each}\r\n" for mark, each in zip(marks, lines, strict=True)).encode())
            elif verb == "STARTTLS" and self._context:
                writer.write(b"220 go on\r\n")
                await writer.start_tls(self._context)
                encrypted = True
            elif verb == "AUTH":
                _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                good = (self._logins or {}).get(user) == password
                writer.write(b"235 welcome\r\n" if good else b"535 no\r\n")
            elif verb == "MAIL":
                sender, recipients = rest.partition("<")[2].partition(">")[0], []
                writer.write(b"250 ok\r\n")
            elif verb == "RCPT":
                recipients.append(rest.partition("<")[2].partition(">")[0])
                writer.write(b"250 ok\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                async with self._changed:
                    self.mails.append(Received(sender, recipients, raw[:-3], encrypted))
                    self._changed.notify_all()
                writer.write(b"250 taken\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")


@asynccontextmanager
async def running(server: MailServer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """At `server.port` of 127.0.0.1; with `tls` encrypted from the first byte."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server
