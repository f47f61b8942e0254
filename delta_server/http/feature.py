"""What a feature is to the server. Its `feature.py` says it, `app.FEATURES` lists it, and nothing else is wired."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from litestar.types import ControllerRouterHandler

from delta_server.http.errors import ProblemForm
from delta_server.http.guards import Guards
from delta_server.http.health import Dependency
from delta_server.http.metrics import Sample
from delta_server.services import Cascade, Services
from delta_server.storage.companions import Companions, StoreCompanion
from delta_server.storage.database import Tx
from delta_server.storage.row_checksums import ChecksummedTable
from delta_server.storage.sql_view import View
from delta_server.tasks.commands import Command
from delta_server.tasks.jobs import JobKind
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

Step = Callable[[Services], Awaitable[None]]


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Its folder's."""
    routes: Sequence[ControllerRouterHandler] = ()
    guards: Guards = {}
    """Who may use each of `routes`."""
    family: str = ""
    """Of the scopes that `guards` ask for (core/scopes.py); the feature's name when absent."""
    path_parameters: Mapping[str, str] = {}
    """What the documentation says of the names in `routes`' paths."""
    fields: Mapping[str, str] = {}
    """What it says of the fields of answers: of those of any schema by that name, or of `Schema.field`."""
    problem_form: ProblemForm | None = None
    """How its routes write what they refuse, where that is not as all others do."""
    tables: Sequence[str] = ()
    """Those that only this feature's SQL names."""
    checksummed: Sequence[ChecksummedTable] = ()
    """Those of them whose rows `verify` checks."""
    sql_views: Mapping[str, View] = {}
    """What SQL of callers sees of them."""
    cascades: Sequence[Cascade] = ()
    event_companions: Companions = {}
    """How what this feature stores in the transaction of events is stored, by its type."""
    loops: Sequence[Loop[Services]] = ()
    periodic: Sequence[Periodic[Services]] = ()
    jobs: Sequence[JobKind[Services]] = ()
    """What is done in the background because something asked for it, with a loop for each kind."""
    queues: Mapping[str, Callable[[Tx], int]] = {}
    """Counts of rows that wait for the background, for health and metrics."""
    samples: Callable[[Services], Iterable[Sample]] | None = None
    """What else `/metrics` tells."""
    commands: Mapping[str, Command] = {}
    """What the command line asks of a running server, by its words."""
    health: Callable[[Services], Dependency] | None = None
    make_room: Step | None = None
    """Gives space back on a full disk, before its time comes."""
    at_start: Step | None = None
    """Runs before the loops. What storage refuses it is logged: a full disk can still be read from."""
    at_end: Step | None = None
    """Runs when all loops have ended. Its failure is logged and not worth a failed shutdown."""
    end_streams: Callable[[Services], None] | None = None
    """Ends the answers that would stay open, when the server is about to go down."""


def sql_views_of(features: Sequence[Feature]) -> dict[str, View]:
    return {name: view for feature in features for name, view in feature.sql_views.items()}


def companions_of(features: Sequence[Feature]) -> dict[type[Any], StoreCompanion]:
    return {kind: store for feature in features for kind, store in feature.event_companions.items()}
