"""Mail over a real connection to a small server."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from delta_server.core.mails import Mail
from delta_server.storage.mail import smtp
from delta_server.storage.mail.options import Smtp
from delta_server.storage.mail.smtp import MailFailed, MailRefused
from tests.smtp_server import MailServer, running

PASSWORD = "the-mail-servers-password"
MAIL = Mail("bo@example.com", "An invitation", "A line.\n.\nAnother, äöü.\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate of 127.0.0.1 that is signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


def options(server: MailServer, **more: Any) -> Smtp:
    return Smtp(
        **{"host": "127.0.0.1", "port": server.port, "tls": "none", "from_address": "delta@example.com", **more}
    )


@asynccontextmanager
async def plain(**more: Any) -> AsyncIterator[MailServer]:
    async with running(MailServer(**more)) as server:
        yield server


REFUSED: list[tuple[str, dict[str, list[str]], type[MailFailed], str]] = [
    ("an address that is not there", {"RCPT": ["550 no such user"]}, MailRefused, "550: no such user"),
    ("a mail that is not taken", {"DATA": ["554 looks like spam"]}, MailRefused, "554"),
    ("a mailbox that is full", {"RCPT": ["452 full"]}, MailFailed, "452"),
    ("greylisting", {"RCPT": ["451 come again"]}, MailFailed, "451"),
    ("a sender that may not", {"MAIL": ["530 who are you"]}, MailFailed, "530"),
    ("a server that ends", {"DATA": [""]}, MailFailed, "mail server"),
    ("control characters", {"RCPT": ["550 a\x1b[31mb"]}, MailRefused, "a [31mb"),
]


@pytest.mark.parametrize(("title", "answers", "kind", "says"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_what_is_refused_for_good_is_told_from_what_may_be_tried_again(
    title: str, answers: dict[str, list[str]], kind: type[MailFailed], says: str
) -> None:
    async with plain() as server:
        server.answers = answers
        with pytest.raises(MailFailed) as caught:
            await smtp.send(options(server), MAIL)
        assert type(caught.value) is kind
        assert says in caught.value.message
        assert server.mails == []


async def test_a_server_that_is_not_there() -> None:
    async with plain() as server:
        gone = options(server)
    with pytest.raises(MailFailed, match=r"cannot be reached|could not be used"):
        await smtp.send(gone, MAIL)


async def test_a_mail_that_is_broken_off_waits_for_no_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 3600)
    async with plain() as server:
        server.silent = {"MAIL", "QUIT"}
        sending = asyncio.create_task(smtp.send(options(server), MAIL))
        await server.heard("MAIL")
        sending.cancel()
        done, _ = await asyncio.wait([sending], timeout=30)
    assert done
    assert sending.cancelled()


async def test_a_mail_arrives_as_it_was_written() -> None:
    async with plain() as server:
        await smtp.send(options(server), MAIL)
        [mail] = server.mails
    assert (mail.sender, mail.recipients) == ("delta@example.com", ["bo@example.com"])
    message = mail.message
    assert message["From"] == "Delta <delta@example.com>"
    assert (message["To"], message["Subject"], message["Auto-Submitted"]) == (MAIL.to, MAIL.subject, "auto-generated")
    assert message["Message-ID"].endswith("@example.com>")
    assert message.get_content_type() == "text/plain"
    assert message["Date"] is not None


@pytest.mark.parametrize("to", ["bo@example.com\r\nBcc: eve@b.example", "bo@example.com\nBcc: eve@b.example"])
async def test_no_header_is_added_by_an_address_or_a_subject(to: str) -> None:
    async with plain() as server:
        with pytest.raises(ValueError):
            await smtp.send(options(server), msgspec.structs.replace(MAIL, to=to))
        with pytest.raises(ValueError):
            await smtp.send(options(server), msgspec.structs.replace(MAIL, subject=to))
        assert server.mails == []


async def test_the_password_is_said_and_never_told(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    async with plain(logins={"delta": PASSWORD}) as server:
        await smtp.send(options(server, username="delta", password=PASSWORD), MAIL)
        await smtp.send(options(server, username="delta", password_file=str(file)), MAIL)
        assert len(server.mails) == 2
        with pytest.raises(MailFailed) as caught:
            await smtp.send(options(server, username="delta", password=f"not {PASSWORD}"), MAIL)
        assert PASSWORD not in caught.value.message
        assert "535" in caught.value.message
        with pytest.raises(MailFailed, match="password_file cannot be read"):
            await smtp.send(options(server, username="delta", password_file=str(tmp_path / "none")), MAIL)


async def test_without_starttls_nothing_is_said() -> None:
    """A server, or whoever is on the way, that does not offer it gets neither password nor mail."""
    async with plain(logins={"delta": PASSWORD}) as server:
        with pytest.raises(MailFailed):
            await smtp.send(options(server, tls="starttls", username="delta", password=PASSWORD), MAIL)
        assert {line.split(" ")[0] for line in server.said} <= {"EHLO", "HELO", "QUIT"}
        assert server.mails == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path, tls: str) -> None:
    first = context(certificate) if tls == "tls" else None
    async with running(MailServer(context=context(certificate)), tls=first) as server:
        with pytest.raises(MailFailed):
            await smtp.send(options(server, tls=tls), MAIL)
        assert server.mails == []


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_mail_is_encrypted(certificate: Path, tls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    first = context(certificate) if tls == "tls" else None
    async with running(MailServer(context=None if first else context(certificate)), tls=first) as server:
        await smtp.send(options(server, tls=tls), MAIL)
        [mail] = server.mails
    assert mail.encrypted == (tls == "starttls")
