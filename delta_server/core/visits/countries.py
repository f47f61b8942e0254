"""In which country a browser is, as its clock and its language say. Nobody is looked up by address."""

import re
from collections.abc import Mapping

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?[-_]([A-Za-z]{2})(?:[-_].*)?")


def country(zones: Mapping[str, str], zone: str | None, language: str | None) -> str | None:
    """`DE`: of the zone's country (`Europe/Berlin`), where it has one, else of the language's region (`de-DE`)."""
    if zone is not None and (found := zones.get(zone)):
        return found
    match = _LANGUAGE.fullmatch(language[:35]) if language else None
    return match[1].upper() if match else None


def zones_of(zone_tab: str, links: str) -> dict[str, str]:
    """The country of each time zone. `zone_tab` is the database's zone.tab, `links` its tzdata.zi: browsers say
    `Asia/Calcutta` still."""
    rows = [line.split("\t") for line in zone_tab.splitlines() if line and not line.startswith("#")]
    found = {row[2]: row[0] for row in rows}
    for line in links.splitlines():
        if line.startswith("L ") and len(words := line.split()) == 3 and words[1] in found:
            found.setdefault(words[2], found[words[1]])
    return found
