"""XML as JSON values whose shape does not depend on how many there are.

    <list n="2"><item>a</item><item id="7">b</item></list>
    {"list": {"@n": "2", "item": ["a", {"@id": "7", "#text": "b"}]}}

The root stands under its name. Children stand in arrays under theirs, one child too. An element without attributes and
children is its text, `""` where it is empty; in all others the text is `#text`, without the blanks around it. All
values are strings. Order among children of different names, comments and processing instructions are not kept.

expat reads it: without external entities, and a document that declares entities of its own is refused, as they are how
a kilobyte becomes a gigabyte.
"""

from collections.abc import Callable
from typing import Any
from xml.parsers import expat

import msgspec

from delta_server.core.formats.bounds import Count, NotReadable


class _Element(msgspec.Struct):
    name: str
    members: dict[str, Any]
    texts: list[str]


def read(text: str) -> Any:
    """Raises NotReadable."""
    builder = _Builder()
    run(text, builder.start, builder.end, builder.text)
    return builder.document


def run(
    text: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    data: Callable[[str], None],
) -> None:
    """Walks through the document, within bounds. Raises NotReadable."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise NotReadable(f"the XML cannot be read: {expat.ErrorString(error.code)} ({place})") from None
    except UnicodeEncodeError:
        raise NotReadable("the XML has half of a surrogate pair") from None


def _refuse_entity(name: str, *_: Any) -> None:
    raise NotReadable(f"the XML declares an entity ({name[:40]}), which is not read")


class _Builder:
    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self._open: list[_Element] = []
        self._count = Count("XML")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count.add(1 + len(attributes))
        self._open.append(_Element(name, {f"@{key}": value for key, value in attributes.items()}, []))
        self._count.check_depth(len(self._open))

    def text(self, data: str) -> None:
        self._open[-1].texts.append(data)

    def end(self, _: str) -> None:
        ended = self._open.pop()
        text = "".join(ended.texts).strip()
        if text and ended.members:
            ended.members["#text"] = text
        value = ended.members or text
        if self._open:
            self._open[-1].members.setdefault(ended.name, []).append(value)
        else:
            self.document = {ended.name: value}
