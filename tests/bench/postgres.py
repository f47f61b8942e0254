"""PostgreSQL as a peer: a throwaway cluster on loopback with the distribution's default settings."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import Send
from tests.bench.table import Skip

_PROGRAMS = Path("/usr/lib/postgresql")
_TABLE = """
CREATE TABLE snapshot (
  id bigserial PRIMARY KEY, endpoint int NOT NULL, captured_at timestamptz NOT NULL DEFAULT now(), data jsonb NOT NULL);
CREATE INDEX ON snapshot (endpoint, captured_at)
"""
_INSERT = "INSERT INTO snapshot (endpoint, data) VALUES (%s, %s) RETURNING id"


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[str]:
    """A running cluster under `directory`, and how to connect to it. Raises Skip where there is no PostgreSQL."""
    versions = sorted(_PROGRAMS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise Skip("PostgreSQL is not installed")
    data, port = directory / "cluster", free_port()
    data.mkdir()
    _let_in(directory, data)
    control = str(versions[-1].with_name("pg_ctl"))
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {data}"
    _run(control, "init", "-D", str(data), "-o", "-A trust -U delta")
    _run(control, "start", "-w", "-D", str(data), "-l", str(data / "log"), "-o", settings)
    try:
        yield f"host=127.0.0.1 port={port} user=delta dbname=postgres"
    finally:
        _run(control, "stop", "-w", "-D", str(data), "-m", "fast")


def _owner() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _let_in(directory: Path, data: Path) -> None:
    owner = _owner()
    if owner is not None:
        directory.chmod(0o711)
        shutil.chown(data, owner, owner)


def _run(*command: str) -> None:
    quiet = subprocess.DEVNULL  # not pipes: the server keeps them open
    subprocess.run(command, check=True, user=_owner(), cwd="/", stdin=quiet, stdout=quiet, stderr=quiet)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def make_table(address: str) -> None:
    """An empty table."""
    with _connection(address) as connection:
        connection.execute("DROP TABLE IF EXISTS snapshot")
        connection.execute(_TABLE)


@contextlib.contextmanager
def sender(address: str) -> Iterator[Send]:
    """Each INSERT is a transaction, durable when it returns."""
    with _connection(address) as connection:
        yield lambda endpoint, document: connection.execute(_INSERT, (endpoint, document.decode())).fetchone()


def _connection(address: str):
    try:
        import psycopg
    except ImportError:
        raise Skip("psycopg is not installed") from None
    return psycopg.connect(address, autocommit=True)
