"""Rules for documents that `import-project` brings."""

from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.sync import record_schema
from delta_server.features.endpoints import service as endpoints
from delta_server.features.enforcement import service as enforcement
from delta_server.features.enforcement.service import Mode, Rule, SchemaSource
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.tasks.commands import Command, Progress


class MovedRule(msgspec.Struct, frozen=True):
    """Of an endpoint that is there; it and the project are names."""

    project: str
    endpoint: str
    mode: Mode
    source: SchemaSource
    schema: str


async def _set(svc: Services, moved: MovedRule, _: Progress) -> None:
    """Raises NotFound, Invalid for what is no schema."""
    project, _name = await svc.db.write(projects.ensure_project, moved.project)
    endpoint = endpoints.resolve(svc, project, moved.endpoint)
    schema = await svc.cpu(_checked, moved.schema)
    await enforcement.set_rule(svc, endpoint, Rule(moved.mode, moved.source, schema, svc.clock.now_ms()))


def _checked(schema: str) -> str:
    try:
        return record_schema.check(msgspec.json.decode(schema, type=dict[str, Any]))
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("the schema of an endpoint is not JSON") from None


COMMANDS: dict[str, Command] = {"endpoint rule": Command(MovedRule, None, _set)}
