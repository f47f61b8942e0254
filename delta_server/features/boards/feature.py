"""Boards of saved queries, and links by which they are read without signing in."""

from delta_server.features.boards import api, commands, schemas, shared_api, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade

_WRITE = Access("write")
_BY_LINK = Access(public=True)
"""In the body; the handler looks for it."""

FEATURE = Feature(
    name="boards",
    routes=[*api.ROUTES, *shared_api.ROUTES],
    fields=schemas.FIELDS,
    commands=commands.COMMANDS,
    guards={
        ("POST", "/v1/boards"): _WRITE,
        ("GET", "/v1/boards"): READ,
        ("GET", "/v1/boards/{}"): READ,
        ("PATCH", "/v1/boards/{}"): _WRITE,
        ("DELETE", "/v1/boards/{}"): ADMIN,
        ("POST", "/v1/boards/{}/shares"): ADMIN,  # it exposes what the tiles show
        ("GET", "/v1/boards/{}/shares"): READ,
        ("POST", "/v1/boards/{}/shares/{}/approve"): ADMIN,
        ("DELETE", "/v1/boards/{}/shares/{}"): ADMIN,
        ("GET", "/shared/{}"): _BY_LINK,
        ("POST", "/v1/shared-boards/{}/open"): Access(public=True, rate_class="auth"),
        ("POST", "/v1/shared-boards/{}/tiles/{}"): _BY_LINK,
    },
    path_parameters={
        "board_id": "The board's id",
        "share_id": "The link's id",
        "link_id": "The link's id, which stands in its address",
        "tile_id": "The tile's id within its board",
    },
    tables=["board", "board_share"],
    cascades=[Cascade("project", lambda _: store.delete_of_project)],
)
