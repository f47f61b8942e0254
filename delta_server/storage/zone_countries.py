"""The country of each time zone, out of the time zone database that the package tzdata brings."""

from functools import lru_cache
from importlib import resources

from delta_server.core.visits import countries


@lru_cache(1)
def table() -> dict[str, str]:
    """Takes 10 ms the first time: not on the event loop."""
    files = resources.files("tzdata") / "zoneinfo"
    return countries.zones_of(
        files.joinpath("zone.tab").read_text(encoding="utf-8"), files.joinpath("tzdata.zi").read_text(encoding="utf-8")
    )
