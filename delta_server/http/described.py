"""JSON Schema as other programs read it: bodies as msgspec checks them, and one way to write what may be left out.

Litestar describes what may be null by `oneOf`, which a value that fits both sides breaks; parameters of a query as if
they could be null, so that some texts are none there; and says nothing of fields that are refused.
"""

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar

REF = "#/components/schemas/{name}"

Schema = dict[str, Any]
_NULL = {"type": "null"}
_MODULE_NAMES = frozenset({"core", "features", "schemas"})
"""Parts of modules' names that tell nothing of a schema."""


def bodies(app: Litestar) -> dict[str, Schema]:
    """By the name of its type, the schema of each body that is decoded, and of what stands in it."""
    types = {
        field.annotation
        for route in app.routes
        for handler, _ in getattr(route, "route_handler_map", {}).values()
        if (field := handler.parsed_data_field) is not None
    }
    _, found = msgspec.json.schema_components(sorted(types, key=str), ref_template=REF)
    for schema in found.values():
        if "description" in schema:
            schema["description"] = cleandoc(schema["description"])
    return found


def adapt(document: Schema) -> None:
    """In place, all of an OpenAPI document."""
    _any_of(document)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    _without_null(parameter["schema"])
            _may_be_left_out(operation.get("requestBody", {}))


def name(document: Schema) -> None:
    """Schemas by names that a generated client can bear: `ApiKeyPage` for `Page_delta_server...schemas.ApiKey_`,
    `EndpointsRetention` for `features_endpoints_schemas_Retention`."""
    schemas = document["components"]["schemas"]
    names = {name: _plain(name) for name in schemas}
    assert len(set(names.values())) == len(names), "two schemas would have one name"
    document["components"]["schemas"] = {names[name]: schema for name, schema in schemas.items()}
    waiting: list[Any] = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            home, _, name = part["$ref"].rpartition("/")
            part["$ref"] = f"{home}/{names.get(name, name)}"
        waiting.extend(_below(part))


def _plain(name: str) -> str:
    if name.startswith("Page_"):
        return name.removesuffix("_").rpartition(".")[2] + "Page"
    *home, last = name.split("_")
    return "".join(part.capitalize() for part in home if part not in _MODULE_NAMES) + last


def _any_of(part: Any) -> None:
    """`oneOf` as `anyOf`; where anything fits there is nothing to choose."""
    if isinstance(part, dict):
        kinds = part.get("oneOf")
        if isinstance(kinds, list):
            del part["oneOf"]
            if len(kinds) == 1:
                part |= kinds[0] | part
            elif {} not in kinds:
                part["anyOf"] = kinds
    for deeper in _below(part):
        _any_of(deeper)


def _may_be_left_out(body: Schema) -> None:
    """A body that may be null is none at all."""
    for content in body.get("content", {}).values():
        kinds = content["schema"].get("anyOf", ())
        if _NULL in kinds:
            content["schema"] = next(kind for kind in kinds if kind != _NULL)
            body["required"] = False


def _without_null(schema: Schema) -> None:
    """An address cannot say null: what is not said is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != _NULL]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0] | schema
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
    if None in schema.get("enum", ()):
        schema["enum"] = [value for value in schema["enum"] if value is not None]


def _below(part: Any) -> Iterable[Any]:
    if isinstance(part, dict):
        return part.values()
    return part if isinstance(part, list) else ()
