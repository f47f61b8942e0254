"""Bounds that the API's description gives and that other code checks, in its own words."""

from typing import Any

from msgspec import Meta


def documented(**schema: Any) -> Meta:
    """JSON Schema's words about a type. Nothing is refused for them."""
    return Meta(extra_json_schema=schema)
