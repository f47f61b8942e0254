"""The examples for proxies in packaging/, in the real programs where there are: TLS, HTTP/2, streams, large bodies, and
a path."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import bearer
from tests.http.test_tls import make as make_certificate
from tests.server_process import ROOT, create_key, serving


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def nginx(directory: Path, port: int, upstream: str) -> list[str]:
    text = (ROOT / "packaging" / "nginx.conf").read_text().replace("127.0.0.1:8080", upstream)
    text = re.sub(r"listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;", text)
    text = re.sub(r"/etc/letsencrypt/\S+/fullchain.pem", str(directory / "cert.pem"), text)
    text = re.sub(r"/etc/letsencrypt/\S+/privkey.pem", str(directory / "key.pem"), text)
    temp = "".join(
        f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"daemon off; pid {directory}/pid; error_log stderr; events {{}} "
    file = directory / "nginx.conf"
    file.write_text(f"{head} http {{ access_log off; {temp} {text} }}")
    return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(directory), "-c", str(file)]


def caddy(directory: Path, port: int, upstream: str) -> list[str]:
    text = (ROOT / "packaging" / "Caddyfile").read_text().replace("127.0.0.1:8080", upstream)
    whole, _, under = text.partition("# Under a path")
    inner = re.search(r"redir.*\n\t}\n", under, re.S)
    assert inner is not None
    whole = whole.replace(
        "delta.example.com {", f"https://127.0.0.1:{port} {{\n\ttls cert.pem key.pem\n\t{inner[0]}", 1
    )
    file = directory / "Caddyfile"
    file.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{whole}")
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


@contextmanager
def proxying(name: str, directory: Path, upstream: str) -> Iterator[str]:
    port = free_port()
    command = {"nginx": nginx, "caddy": caddy}[name](directory, port, upstream)
    make_certificate(directory)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=directory) as process:
        try:
            transport = httpx.HTTPTransport(retries=8, verify=False)
            with httpx.Client(transport=transport) as client:
                client.get(f"https://127.0.0.1:{port}/healthz")
            yield f"https://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=20)


def streams_by_http2(url: str, key: str, client: httpx.Client) -> None:
    command = ["curl", "-skNi", "--http2", "--max-time", "30", "-H", f"Authorization: Bearer {key}"]
    with subprocess.Popen([*command, f"{url}/v1/stream?topics=events"], stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        try:
            assert curl.stdout.readline().startswith("HTTP/2 200")
            while curl.stdout.readline().strip():
                pass  # the head
            curl.stdout.readline()  # it has begun
            client.post("/v1/events", json={"eventType": "seen", "userId": "bo"}).raise_for_status()
            assert any('"userId":"bo"' in line for line, _ in zip(curl.stdout, range(20), strict=False))
        finally:
            curl.kill()


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_a_proxy_passes_everything_on(name: str, tmp_path: Path) -> None:
    if not shutil.which(name) and not Path(f"/usr/sbin/{name}").exists():
        pytest.skip(f"{name} is not installed")
    key = create_key(tmp_path, "home")
    with (
        serving(tmp_path, DELTA_SERVER_TRUSTED_PROXIES="127.0.0.1") as server,
        proxying(name, tmp_path, server.url.removeprefix("http://")) as url,
        httpx.Client(base_url=url, headers=bearer(key), timeout=60, verify=False) as client,
    ):
        assert client.get("/healthz").json()["status"] == "ok"
        assert client.get("/delta/healthz").json()["status"] == "ok"
        with client.stream("GET", "/v1/stream?topics=events") as stream:
            lines = stream.iter_lines()
            next(lines)
            sent = client.post("/v1/events", json={"eventType": "seen", "userId": "ann"})
            assert sent.is_success, sent.text
            assert any('"userId":"ann"' in line for line, _ in zip(lines, range(20), strict=False))
        if shutil.which("curl"):
            streams_by_http2(url, key, client)
        large = b'{"text":"' + b"a" * 64_000_000 + b'"}'
        made = client.post("/v1/snapshots?endpoint=large", content=large, headers={"content-type": "application/json"})
        assert made.status_code == 201, made.text[:300]
        assert len(client.get("/v1/snapshots/latest/large").content) > len(large)
        assert 'base href="/delta/' in client.get("/delta/", headers={"accept": "text/html"}).text
        assert client.get("/delta").headers["location"].endswith("/delta/")
