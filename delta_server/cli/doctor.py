"""`doctor`: looks at everything a server stands on, and says what to do about what it finds."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from delta_server import app
from delta_server.cli.options import load_with
from delta_server.cli.serve import listen
from delta_server.config import checkup as options
from delta_server.config.sections import Config
from delta_server.core.errors import DeltaError
from delta_server.core.findings import Finding, ok, problem, warning, worst
from delta_server.egress import own_server
from delta_server.http.health import LEAST_FREE_BYTES
from delta_server.storage import checkup
from delta_server.storage.cold import of_backups
from delta_server.storage.cold.of_backups import Named
from delta_server.storage.contents import maintenance
from delta_server.storage.sqlite.adapter import DATABASE_NAME
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.directory_lock import is_in_use
from delta_server.storage.sqlite.read_only import ReadOnlyDatabase
from delta_server.storage.system_clock import SystemClock

MOST_UNPACKED = 100
"""Endpoints that wait to be packed: while a server runs they wait for seconds."""
MOST_QUEUED = 10_000
_SOON_DAYS = 14
_ANSWER_S = 5.0
_CLOCK_S = 30
_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@click.command(
    help="Look at what a server with these options stands on, and say what to do about each finding. Changes nothing; "
    "a server may run meanwhile. Exits with 1 when there is a problem; warnings alone exit with 0."
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file with options.")
@click.option("--data-dir", help="Where the database is.  [default: ./delta-data]")
@click.option("--host", help="Address to listen at.  [default: 127.0.0.1]")
@click.option("--port", help="Port to listen at.  [default: 8080]")
@click.option("--without-integrity", is_flag=True, help="Do not read through the database file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: state, and findings with check, says, remedy.")
def doctor(config_file: Path | None, without_integrity: bool, as_json: bool, **flags: Any) -> None:
    try:
        config = load_with(config_file, flags).config
    except DeltaError as error:
        remedy = "correct it; config.example.toml lists every option"
        findings = [problem("configuration", line, remedy) for line in error.message.splitlines()]
    else:
        findings = list(_findings(config, without_integrity=without_integrity))
    state = worst(findings)
    if as_json:
        click.echo(msgspec.json.encode({"state": state, "findings": findings}))
    else:
        _print(findings)
    if state == "problem":
        sys.exit(1)


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{_MARKS[finding.state]}  {finding.check:<{width}}  {finding.says}")
        if finding.remedy:
            click.echo(f"{'':<{width + 11}}-> {finding.remedy}")


def _findings(config: Config, *, without_integrity: bool) -> Iterator[Finding]:
    data_dir = config.storage.data_dir
    database = data_dir / DATABASE_NAME
    yield ok("configuration", "every option can be used")
    yield checkup.find_directory(data_dir)
    yield from list(checkup.find_permissions(data_dir, database)) or [ok("permissions", "the server's user alone")]
    yield checkup.find_space(data_dir, database, least_bytes=LEAST_FREE_BYTES)
    yield checkup.find_file_system(data_dir)
    yield checkup.find_temporary()
    yield from checkup.find_clock(database, SystemClock().now_ms())
    yield from _port(config)
    yield options.find_proxies(config)
    yield options.find_tls(config)
    yield from _public_address(config)
    yield from options.find_egress(config)
    if database.is_file():
        yield from asyncio.run(_database(config, database, without_integrity=without_integrity))


def _port(config: Config) -> Iterator[Finding]:
    check, server = "port", config.server
    if is_in_use(config.storage.data_dir) and server.port:
        url = own_server.address_of(server.host, server.port, tls=bool(server.tls_cert))
        try:
            answer = own_server.get(f"{url}/healthz", seconds=_ANSWER_S, certificate=server.tls_cert)
        except DeltaError as error:
            remedy = "look at its log; does it listen at another port than these options say?"
            yield problem(check, f"a server runs, and {error.message}", remedy)
            return
        if answer.status == 200:
            yield ok(check, f"the server answers at {url}")
        else:
            yield problem(check, f"the server at {url} answers {answer.status}", "look at its log")
        return
    try:
        listen(server.host, server.port).close()
    except (DeltaError, socket.gaierror) as error:
        yield problem(check, str(error), "choose another: server.host, server.port")
        return
    yield ok(check, f"{server.port} at {server.host} is free")


def _public_address(config: Config) -> Iterator[Finding]:
    """Whether the proxy in front leads to a server, when one runs."""
    check, url = "public address", config.server.public_url.rstrip("/")
    if not url or not is_in_use(config.storage.data_dir):
        return
    try:
        answer = own_server.get(f"{url}/healthz", seconds=_ANSWER_S)
    except DeltaError as error:
        yield problem(check, error.message, "look at the proxy and its certificate, or correct server.public_url")
        return
    if answer.status != 200 or b'"database"' not in answer.body:
        yield problem(
            check,
            f"{url}/healthz answers {answer.status} and not as Delta does",
            "let the proxy pass every path under it on to the server, see docs/operating.md",
        )
    elif answer.certificate_days is not None and answer.certificate_days < _SOON_DAYS:
        remedy = "renew it: whatever does so by itself has failed"
        yield warning(check, f"the certificate is valid for {answer.certificate_days:.0f} more days", remedy)
    elif answer.clock_off_s is not None and abs(answer.clock_off_s) > _CLOCK_S:
        yield warning(check, f"the proxy's clock is {answer.clock_off_s:.0f} s off", "let a time service keep both")
    else:
        yield ok(check, f"{url} leads here")


async def _database(config: Config, path: Path, *, without_integrity: bool) -> list[Finding]:
    check, findings = "database", list[Finding]()
    try:
        db = ReadOnlyDatabase(path, config.storage, SystemClock(), Tuning())
    except DeltaError as error:
        return [problem(check, error.message, "see docs/operating.md: Upgrade, Damage")]
    try:
        if not without_integrity:
            faults = await db.quick_check()
            remedy = "restore a backup; `delta-server verify` names all that is damaged"
            findings += [problem("integrity", fault, remedy) for fault in faults]
            findings += [] if faults else [ok("integrity", "the file is sound")]
        unpacked = await db.read(maintenance.count_filled, config.packs)
        waiting = {name: await db.read(count) for feature in app.FEATURES for name, count in feature.queues.items()}
        findings += _backlog(unpacked, waiting)
        findings += await asyncio.to_thread(list, _cold_storage(config, await db.read(of_backups.named_by)))
    except DeltaError as error:
        findings.append(problem(check, error.message, "see docs/operating.md: Damage"))
    finally:
        await db.close()
    return findings


def _cold_storage(config: Config, look: Callable[[], Named]) -> Iterator[Finding]:
    check, named, address = "cold storage", look(), config.storage.cold
    if named.fault is not None:
        yield problem(check, named.fault, "see docs/operating.md: Cold storage")
    elif address and (reason := of_backups.answers(address)) is not None:
        yield problem(check, f"{address} does not answer: {reason}", "see docs/operating.md: Cold storage")
    elif address or named.objects:
        size = f"{named.objects} packs and segments, {named.size_bytes / 1e6:.1f} MB"
        yield ok(check, f"{size}, all of them there: {', '.join(named.addresses) or address}")


def _backlog(unpacked: int, waiting: dict[str, int]) -> Iterator[Finding]:
    check = "backlog"
    if unpacked > MOST_UNPACKED:
        yield warning(check, f"{unpacked} endpoints wait to be packed", "run `delta-server pack`; look at the log")
    long = {name.replace("_", " "): count for name, count in waiting.items() if count > MOST_QUEUED}
    for name, count in long.items():
        yield warning(check, f"{name}: {count}", "look at the log for a loop that fails (`delta_loops_down`)")
    if unpacked <= MOST_UNPACKED and not long:
        counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in waiting.items())
        yield ok(check, f"endpoints to pack {unpacked}, {counts}")
