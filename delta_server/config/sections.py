"""All options, by section. Those that storage alone reads stand beside what reads them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from delta_server.config.plans import Plans
from delta_server.config.sign_in import Oidc, TrustedHeader
from delta_server.core.option_types import MIB, Count, Days, PerMinute, Port, Seconds, Secret, Size, WholeDays
from delta_server.storage.contents.options import Packs
from delta_server.storage.events.options import Events
from delta_server.storage.mail.options import Smtp
from delta_server.storage.sqlite.options import Storage


class Server(msgspec.Struct, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 8080
    trusted_proxies: tuple[str, ...] = ()
    public_url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    docs: bool = True
    metrics_public: bool = False
    shutdown_seconds: Seconds = 10


class Limits(msgspec.Struct, frozen=True):
    document_bytes: Size = 64 * MIB
    request_bytes: Size = 72 * MIB
    inflight_bytes: Size = 256 * MIB
    answer_bytes: Size = 128 * MIB
    connections: Count = 4096
    streams: Count = 100
    request_seconds: Seconds = 60
    answer_seconds: Seconds = 30


class Auth(msgspec.Struct, frozen=True):
    registration: Literal["closed", "invite", "open"] = "closed"
    idle_days: WholeDays = 30
    session_days: WholeDays = 90
    oidc: Oidc = Oidc()
    trusted_header: TrustedHeader = TrustedHeader()


class Admin(msgspec.Struct, frozen=True):
    email: str = ""
    password: Secret = ""
    key_file: str = ""


class RateLimits(msgspec.Struct, frozen=True):
    ingest_per_minute: PerMinute = 300_000
    visits_per_minute: PerMinute = 600
    query_per_minute: PerMinute = 120_000
    auth_per_minute: PerMinute = 300
    unauthorized_per_minute: PerMinute = 3_000


class Egress(msgspec.Struct, frozen=True):
    allow_cidrs: tuple[str, ...] = ()


class Webhooks(msgspec.Struct, frozen=True):
    apprise: bool = False


class Polling(msgspec.Struct, frozen=True):
    concurrent: Count = 32
    document_bytes: Size = 16 * MIB
    record_days: WholeDays = 14


class Sync(msgspec.Struct, frozen=True):
    record_bytes: Size = MIB
    records: Count = 1_000_000
    space_bytes: Size = 1024 * MIB
    devices: Count = 100
    types: Count = 1000
    pushes_per_minute: PerMinute = 20
    pulls_per_minute: PerMinute = 30
    tombstone_days: WholeDays = 90
    history_days: WholeDays = 30
    upload_days: WholeDays = 2


class Datasets(msgspec.Struct, frozen=True):
    delivery_bytes: Size = 10 * 1024 * MIB
    row_bytes: Size = MIB
    clients: Count = 1000
    uploads: Count = 8
    comparisons: Count = 2


class Alerts(msgspec.Struct, frozen=True):
    retention_days: Days = 90


class Anomalies(msgspec.Struct, frozen=True):
    detection: bool = True
    retention_days: Days = 90


class Schemas(msgspec.Struct, frozen=True):
    inference: bool = True


class Audit(msgspec.Struct, frozen=True):
    retention_days: Days = 365


class Backups(msgspec.Struct, frozen=True):
    schedule: str = "off"
    directory: str = ""
    keep_daily: Annotated[int, Meta(ge=0, le=366)] = 7
    keep_weekly: Annotated[int, Meta(ge=0, le=520)] = 4
    keep_monthly: Annotated[int, Meta(ge=0, le=600)] = 12


class Log(msgspec.Struct, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"
    levels: tuple[str, ...] = ()
    file: str = ""
    file_bytes: Size = 32 * MIB
    files: Annotated[int, Meta(ge=1, le=1000)] = 5


class Config(msgspec.Struct, frozen=True):
    server: Server = Server()
    limits: Limits = Limits()
    rate_limits: RateLimits = RateLimits()
    storage: Storage = Storage()
    packs: Packs = Packs()
    events: Events = Events()
    auth: Auth = Auth()
    smtp: Smtp = Smtp()
    egress: Egress = Egress()
    polling: Polling = Polling()
    webhooks: Webhooks = Webhooks()
    alerts: Alerts = Alerts()
    anomalies: Anomalies = Anomalies()
    schemas: Schemas = Schemas()
    sync: Sync = Sync()
    datasets: Datasets = Datasets()
    audit: Audit = Audit()
    backups: Backups = Backups()
    plans: Plans = Plans()
    admin: Admin = Admin()
    log: Log = Log()
