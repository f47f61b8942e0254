"""Request bodies that are forms: the parameters of a GET, where others send them by POST."""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from delta_server.core.errors import BadRequest, Invalid, NotAcceptable, TooLarge
from delta_server.http.validation import invalid

T = TypeVar("T", bound=msgspec.Struct)

FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 24 << 10
"""Of percent signs alone that takes the event loop 4 ms."""
_MOST_FIELDS = 100


async def read(request: Request[Any, Any, Any], type_: type[T]) -> T:
    """A struct whose fields are texts, numbers, and lists of texts: those may come more than once. Raises
    NotAcceptable, TooLarge, BadRequest, Invalid."""
    body = await request.body()
    if body and request.content_type[0].lower() != FORM:
        raise NotAcceptable(f"send the body as a form, with Content-Type: {FORM}")
    if len(body) > _MOST_BYTES:
        raise TooLarge(f"the form is larger than {_MOST_BYTES} bytes")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise BadRequest("the form is not valid UTF-8") from None
    except ValueError:
        raise BadRequest(f"the form has more than {_MOST_FIELDS} fields") from None
    return _struct(pairs, type_)


def _struct(pairs: list[tuple[str, str]], type_: type[T]) -> T:
    lists = {
        field.encode_name
        for field in msgspec.structs.fields(type_)
        if isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.ListType)
    }
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise Invalid(f"{name[:100]} is given more than once", field=name[:100])
        else:
            found[name] = value
    try:
        return msgspec.convert(found, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, type_) from None
