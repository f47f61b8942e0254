"""Whose an event is, for queries: the links of core/events/persons.py as relations that events are joined with.

A project without links pays nothing. Reading many from SQLite would take longer than joining them with ten million
events (200,000: half a second), so they are kept in memory as a Parquet file (`LinksBaseCache`), which is joined with
what has changed since. Both are of the query's own state of the database."""

import threading
from collections import OrderedDict
from typing import Any

import msgspec

from delta_server.core.events.persons import identifies
from delta_server.core.query.plan import (
    Aggregate,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Listing,
    Negation,
    OfPerson,
    Plan,
    Sample,
    Sql,
)
from delta_server.storage.events import schema
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.query.read_view import Links, ReadView

MAX_RECENT_LINKS = 5_000
"""So many links are read from SQLite as they are: 5 ms."""
RECENT_SHARE = 50
"""A base is made anew when more than a fiftieth of it has changed."""
LINKS_PER_READ = 100_000
BASES_BYTES = 128 << 20

_LINE = "json_object('a', anonymous, 'n', name, 'p', person)"
_TYPES = "columns = {a: 'UTINYINT', n: 'VARCHAR', p: 'VARCHAR'}, maximum_object_size = 1048576"
_PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, USE_TMP_FILE false"


class LinksVersion(msgspec.Struct, frozen=True):
    """Of a project's links: `rev` counts their changes, `forgotten` is what it was when some were last deleted."""

    rev: int
    forgotten: int


class LinksBase(msgspec.Struct, frozen=True):
    """All links as they were at `rev`."""

    rev: int
    rows: int
    parquet: bytes


class LinksBaseCache:
    """The newest base of each project that had many links, those used last. For any thread."""

    def __init__(self, most_bytes: int = BASES_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._bases: OrderedDict[int, LinksBase] = OrderedDict()

    def find(self, project: int, state: LinksVersion) -> LinksBase | None:
        """One that what has changed since leads from to this state: nothing was deleted in between."""
        with self._lock:
            base = self._bases.get(project)
            if base is None or not state.forgotten <= base.rev <= state.rev:
                return None
            self._bases.move_to_end(project)
            return base

    def put(self, project: int, base: LinksBase) -> None:
        with self._lock:
            self._bases[project] = base
            self._bases.move_to_end(project)
            while sum(len(each.parquet) for each in self._bases.values()) > self._most_bytes:
                self._bases.popitem(last=False)


def state(read_view: ReadView) -> LinksVersion:
    rows = read_view.all("SELECT rev, forgotten FROM person_state WHERE project = ?", read_view.project)
    return LinksVersion(*rows[0]) if rows else LinksVersion(0, 0)


def is_waiting(read_view: ReadView) -> bool:
    """Whether calls that join ids are stored and not applied yet."""
    sql = "SELECT 1 FROM person_change WHERE project = ? LIMIT 1"
    return bool(read_view.all(sql, read_view.project))


def attach(session: QuerySession, bases: LinksBaseCache) -> None:
    """Have the snapshot know its links, for `events`."""
    read_view = session.read_view
    now = state(read_view)
    if not now.rev:
        return
    base = bases.find(read_view.project, now)
    changed = _lines(
        read_view, base.rev if base else 0, most=max(MAX_RECENT_LINKS, base.rows // RECENT_SHARE if base else 0)
    )
    if changed is None:
        base = _make_base(session, base, now.rev)
        bases.put(read_view.project, base)
        changed = b""
    read_view.links = _links(read_view, base, changed)


def attach_plainly(read_view: ReadView) -> list[str]:
    """As `attach`, without a base; the paths that are read."""
    if not state(read_view).rev:
        return []
    lines = _lines(read_view, 0, most=None) or b""
    read_view.links = _links(read_view, None, lines)
    return list(read_view.links.paths) if read_view.links else []


def _lines(read_view: ReadView, since: int, *, most: int | None) -> bytes | None:
    """Links that changed after `since`, None when they are more than `most`."""
    rows = read_view.all(
        f"SELECT {_LINE} FROM person_link INDEXED BY person_link_rev WHERE project = ? AND rev > ? LIMIT ?",
        read_view.project, since, -1 if most is None else most + 1,
    )  # fmt: skip
    if most is not None and len(rows) > most:
        return None
    return "".join(f"{line}\n" for (line,) in rows).encode()


def _make_base(session: QuerySession, old: LinksBase | None, rev: int) -> LinksBase:
    """A base of all links: of the old one and what has changed since, or of all there are, some at a time."""
    read_view = session.read_view
    session.run("CREATE OR REPLACE TEMP TABLE links (a UTINYINT, n VARCHAR, p VARCHAR)")
    since = old.rev if old else 0
    after: tuple[Any, ...] = (-1, -1, "")
    while rows := read_view.all(
        f"SELECT {_LINE}, rev, anonymous, name FROM person_link INDEXED BY person_link_rev"
        " WHERE project = ? AND rev > ? AND (rev, anonymous, name) > (?, ?, ?) ORDER BY rev, anonymous, name LIMIT ?",
        read_view.project, since, *after, LINKS_PER_READ,
    ):  # fmt: skip
        path = read_view.text_path("".join(f"{row[0]}\n" for row in rows).encode())
        session.run(f"INSERT INTO links FROM read_ndjson('{path}', {_TYPES})")
        after = rows[-1][1:]
    all_links = "SELECT a, n, p FROM links"
    if old is not None:
        kept = f"SELECT a, n, p FROM read_parquet('{read_view.text_path(old.parquet)}')"
        all_links += (
            f" UNION ALL {kept} AS kept WHERE NOT EXISTS (FROM links WHERE links.a = kept.a AND links.n = kept.n)"
        )
    parquet = session.copy(all_links, options=_PARQUET)
    session.run("DROP TABLE links")
    [(count,)] = session.rows(f"SELECT count(*) FROM read_parquet('{read_view.text_path(parquet)}')")[1]
    return LinksBase(rev, count, parquet)


def _links(read_view: ReadView, base: LinksBase | None, changed: bytes) -> Links | None:
    parts, paths = [], []
    if changed:
        paths.append(read_view.text_path(changed))
        parts.append(f"SELECT a, n, p FROM read_ndjson('{paths[-1]}', {_TYPES})")
    if base is not None:
        paths.append(read_view.text_path(base.parquet))
        part = f"SELECT a, n, p FROM read_parquet('{paths[-1]}') AS kept"
        if changed:
            part += f" WHERE NOT EXISTS (FROM ({parts[0]}) AS changed WHERE changed.a = kept.a AND changed.n = kept.n)"
        parts.append(part)
    if not parts:
        return None
    sql = " UNION ALL ".join(parts)
    users, anonymous = (
        f"(SELECT n AS name, p AS person FROM ({sql}) WHERE a = {kind})" if _leads_elsewhere(read_view, kind) else None
        for kind in (0, 1)
    )
    return Links(users, anonymous, tuple(paths))


def _leads_elsewhere(read_view: ReadView, anonymous: int) -> bool:
    sql = "SELECT 1 FROM person_link WHERE project = ? AND anonymous = ? LIMIT 1"
    return bool(read_view.all(sql, read_view.project, anonymous))


def events(read_view: ReadView, source: str) -> str:
    """The events of `source` (behind FROM) with `person`, whose each of them is: NULL for nobody's."""
    links = read_view.links
    if links is None or (links.users is None and links.anonymous is None):
        return f"(SELECT *, {schema.PERSON} AS person FROM {source})"
    named = f"SELECT *, {schema.user('user_id')} AS own_user FROM {source}"
    named = (
        f"SELECT *, CASE WHEN own_user IS NULL THEN {schema.user('anonymous_id')} END AS own_anonymous FROM ({named})"
    )
    persons, joins = [], ""
    for links_of, own in ((links.users, "own_user"), (links.anonymous, "own_anonymous")):
        if links_of is not None:
            joins += f" LEFT JOIN {links_of} AS of_{own} ON of_{own}.name = {own}"
            persons.append(f"of_{own}.person")
        persons.append(own)
    return (
        f"(SELECT named.* EXCLUDE (own_user, own_anonymous), coalesce({', '.join(persons)}) AS person"
        f" FROM ({named}) AS named{joins})"
    )


def changed_path(read_view: ReadView, since: int) -> str | None:
    """Of the lines of links that changed after `since`, None without any."""
    lines = _lines(read_view, since, most=None)
    return read_view.text_path(lines) if lines else None


def events_of_links(path: str, source: str, shown: str) -> str:
    """SELECT of the distinct `shown` of the events of these links."""
    own, own_anonymous = schema.user("user_id"), schema.user("anonymous_id")
    names = f"SELECT n FROM read_ndjson('{path}', {_TYPES}) WHERE a ="
    return (
        f"SELECT DISTINCT {shown} FROM {source} WHERE {own} IN ({names} 0)"
        f" UNION SELECT DISTINCT {shown} FROM {source} WHERE {own} IS NULL AND {own_anonymous} IN ({names} 1)"
    )


# Plans


def depends_on_links(plan: Plan) -> bool:
    """Whether its answer may depend on links."""
    if isinstance(plan, Listing):
        return _names_user(plan.where)
    if isinstance(plan, Sample):
        return False
    return not isinstance(plan, Aggregate) or counts_persons(plan) or _names_user(plan.where)


def counts_persons(plan: Aggregate) -> bool:
    """Whether it needs `person`."""
    fields = [*plan.keys, *(metric.field for metric in plan.metrics)]
    return any(getattr(field, "column", None) == "user_id" for field in fields)


def _names_user(where: Filter | None) -> bool:
    match where:
        case AllOf(parts) | AnyOf(parts):
            return any(map(_names_user, parts))
        case Negation(part):
            return _names_user(part)
        case Condition():
            return where.field.column == "user_id"
        case _:
            return False


def resolve_filters(read_view: ReadView, plan: Any) -> Any:
    """The plan with filters of users as filters of persons: `userId` is one by any of their user ids, and means their
    events without one too."""
    if isinstance(plan, Sql) or not depends_on_links(plan):
        return plan
    changes: dict[str, Any] = {}
    for name in ("where", "start", "again"):
        if (where := getattr(plan, name, None)) is not None:
            changes[name] = _resolved(read_view, where)
    if steps := getattr(plan, "steps", ()):
        changes["steps"] = tuple(
            msgspec.structs.replace(step, where=_resolved(read_view, step.where)) for step in steps
        )
    return msgspec.structs.replace(plan, **changes)


def _resolved(read_view: ReadView, where: Filter) -> Filter:
    match where:
        case AllOf(parts):
            return AllOf(tuple(_resolved(read_view, part) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_resolved(read_view, part) for part in parts))
        case Negation(part):
            return Negation(_resolved(read_view, part))
        case Condition("is" | "is_not" as op, field, values) if field.column == "user_id":
            of = _events_of(read_view, [str(value) for value in values])
            return of if op == "is" else Negation(of)
        case _:
            return where


def _events_of(read_view: ReadView, names: list[str]) -> OfPerson:
    """All events of these users, and of those who go by these anonymous ids."""
    users, anonymous = list(names), list[str]()
    for name in names:
        person = next(iter(_persons(read_view, 0, name)), name)
        users.append(person)
        if identifies(person) and not _persons(read_view, 1, person):
            anonymous.append(person)
        for kind, other in read_view.all(
            "SELECT anonymous, name FROM person_link INDEXED BY person_link_person WHERE project = ? AND person = ?",
            read_view.project, person,
        ):  # fmt: skip
            (anonymous if kind else users).append(other)
    return OfPerson(tuple(dict.fromkeys(users)), tuple(dict.fromkeys(anonymous)))


def _persons(read_view: ReadView, anonymous: int, name: str) -> list[str]:
    """Whom an id leads to; none without a link."""
    sql = "SELECT person FROM person_link WHERE project = ? AND anonymous = ? AND name = ?"
    return [person for (person,) in read_view.all(sql, read_view.project, anonymous, name)]
