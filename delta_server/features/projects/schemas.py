"""Projects on the wire."""

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.core.names import Description, Name
from delta_server.features.projects import store
from delta_server.features.projects.store import Usage


class NewProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    description: Description = ""


class ProjectChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays; null is the default again."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


class Project(msgspec.Struct, frozen=True):
    id: str
    name: str
    description: str
    created_at: str
    updated_at: str


class ProjectAnswer(msgspec.Struct, frozen=True):
    project: Project


class UsageAnswer(msgspec.Struct, frozen=True):
    usage: Usage


def project(row: store.Project) -> Project:
    return Project(
        id=ids.text(row.uid),
        name=row.name,
        description=row.description,
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
    )


FIELDS = {
    "Project.id": "Id of the project",
    "ProjectAnswer.project": "The project",
    "UsageAnswer.usage": "What the project stores",
    "Usage.endpoints": "How many endpoints it has",
    "Usage.snapshots": "How many snapshots it has",
    "Usage.contents": "How many different documents it has, equal ones in a row counted once",
    "Usage.raw_bytes": "Size of the documents as they were sent",
    "Usage.stored_bytes": "Size that they take in the database",
}
