"""TLS from files: what is served with it, what is refused at the start, and what is renewed while it runs."""

import datetime
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from delta_server.http.tls import Certificate, CertificateRefused
from tests.server_process import environment, run, start

NAME = "delta.example.com"
OWNER = {"email": "ada@example.com", "password": "correct horse battery"}


def make(directory: Path, *, password: bytes | None = None, serial: int = 1) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(exist_ok=True)
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    files = directory / "cert.pem", directory / "key.pem"
    for path, content in zip(files, (made.public_bytes(serialization.Encoding.PEM), encoded), strict=True):
        draft = path.with_suffix(".new")
        draft.write_bytes(content)
        draft.replace(path)
    return files


def serial_of(certificate: Certificate) -> int:
    """What a client is shown by its context now."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    (to_server, to_client) = (ssl.MemoryBIO(), ssl.MemoryBIO())
    client = trusting.wrap_bio(to_client, to_server)
    server = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    shown = client.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_what_is_renewed_counts_for_the_next_connection(tmp_path: Path) -> None:
    certificate = Certificate(*make(tmp_path))
    assert serial_of(certificate) == 1
    make(tmp_path, serial=2)
    certificate.look()
    assert serial_of(certificate) == 2
    _, key = make(tmp_path / "other", serial=3)
    key.replace(tmp_path / "key.pem")
    certificate.look()
    assert serial_of(certificate) == 2, "a key of another certificate: the pair before stays"
    (tmp_path / "cert.pem").unlink()
    certificate.look()
    assert serial_of(certificate) == 2
    make(tmp_path, serial=4)
    certificate.look()
    assert serial_of(certificate) == 4


@pytest.mark.parametrize(
    ("broken", "says"),
    [("missing", "No such file"), ("text", "PEM"), ("another", "MISMATCH"), ("encrypted", "password")],
)
def test_what_cannot_be_used_stops_the_start(tmp_path: Path, broken: str, says: str) -> None:
    cert, key = make(tmp_path, password=b"secret" if broken == "encrypted" else None)
    if broken == "missing":
        key.unlink()
    elif broken == "text":
        cert.write_text("this is no certificate")
    elif broken == "another":
        cert, _ = make(tmp_path / "other")
    with pytest.raises(CertificateRefused, match=says):
        Certificate(cert, key)


def test_one_file_of_the_two_is_a_mistake(tmp_path: Path) -> None:
    refused = run(tmp_path, "config", "show", env={"DELTA_SERVER_TLS_CERT": "/nowhere"}, check=False)
    assert "both server.tls_cert and server.tls_key" in refused.stderr


def test_a_server_with_tls(tmp_path: Path) -> None:
    """Cookies are for TLS alone, and the commands that ask the server know its certificate."""
    cert, key = make(tmp_path)
    env = {"DELTA_SERVER_TLS_CERT": str(cert), "DELTA_SERVER_TLS_KEY": str(key)}
    env |= {"DELTA_ADMIN_EMAIL": OWNER["email"], "DELTA_ADMIN_PASSWORD": OWNER["password"]}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with start("serve", "--port", "0", cwd=tmp_path, env=environment(**env), **pipes) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().split("listens at ")[1].split()[0]
            assert url.startswith("https://127.0.0.1:")
            trusting = ssl.create_default_context(cafile=str(cert))
            trusting.check_hostname = False
            with httpx.Client(base_url=url, verify=trusting, headers={"origin": url}) as client:
                made = client.post("/v1/auth/login", json={**OWNER, "cookie": True})
                assert made.status_code == 200, made.text
                assert "Secure" in made.headers["set-cookie"]
                large = client.post("/v1/auth/login", content=b"0" * 200_000, headers={"content-type": "text/plain"})
                assert large.status_code in (403, 413, 415)
            plain = url.replace("https", "http") + "/healthz"
            for method in ("GET", "HEAD", "POST"):
                told = httpx.request(method, plain, timeout=5)
                assert (told.status_code, told.headers["connection"]) == (400, "close")
                assert (method == "HEAD") or told.text.startswith("this port speaks HTTPS")
            with pytest.raises(httpx.HTTPError):
                httpx.request("DELETE", plain, timeout=5)
            port = url.rpartition(":")[2]
            assert run(tmp_path, "healthcheck", "--port", port, env=env).stdout == "ok\n"
        finally:
            server.terminate()
            server.communicate(timeout=30)
    assert server.returncode == 0
