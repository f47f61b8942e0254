"""What people made to look at a project, in its archive: saved queries, boards of them, annotations. Boards name
queries by the ids that they had."""

from collections.abc import AsyncIterator

import msgspec

from delta_server.cli.carrying import Carrier
from delta_server.cli.project_archive import AnnotationHead, BoardHead, QueryHead
from delta_server.core import ids
from delta_server.core.query.boards import Tile
from delta_server.features.annotations import service as annotations
from delta_server.features.annotations.commands import MovedAnnotation
from delta_server.features.annotations.service import Annotation
from delta_server.features.boards import service as boards
from delta_server.features.boards.commands import MovedBoard
from delta_server.features.saved_queries import service as saved_queries
from delta_server.features.saved_queries.commands import MovedQuery
from delta_server.services import Services

ViewHead = QueryHead | BoardHead | AnnotationHead


async def heads(svc: Services, project: int) -> AsyncIterator[ViewHead]:
    """Queries before the boards that name them."""
    for query in await svc.db.read(saved_queries.all_of, project):
        spec = msgspec.Raw(query.spec.encode())
        yield QueryHead(ids.text(query.uid), query.name, saved_queries.kind_of(query), spec, query.view)
    for board in await svc.db.read(boards.all_of, project):
        yield BoardHead(board.name, boards.tiles_of(board))
    noted: list[Annotation] = []  # 50,000 at most
    below = annotations.FIRST
    while page := await svc.db.read(annotations.all_below, project, below):
        noted += page
        below = page[-1].begins_at, page[-1].id
    for one in reversed(noted):  # of those at one time, too, the last came last
        yield AnnotationHead(one.begins_at, one.end_at, annotations.kind_of(one), one.text, one.link)


class Views:
    """Stores them in the project, and counts them."""

    def __init__(self, carrier: Carrier, project: str) -> None:
        self._carrier = carrier
        self._project = project
        self._queries: dict[str, str] = {}
        """Their ids here, by those they had."""

    async def store(self, head: ViewHead) -> None:
        """Raises DeltaError."""
        run, project = self._carrier.run, self._project
        if isinstance(head, QueryHead):
            spec = msgspec.json.decode(head.spec)
            moved = MovedQuery(project, head.name, head.query, spec, head.view)
            self._queries[head.id] = await run("saved query move", moved)
        elif isinstance(head, BoardHead):
            await run("board move", MovedBoard(project, head.name, [*map(self._here, head.tiles)]))
        else:
            what = (head.begins_at, head.end_at, head.what, head.text, head.link)
            await run("annotation move", MovedAnnotation(project, *what))

    def _here(self, tile: Tile) -> Tile:
        return msgspec.structs.replace(tile, query_id=self._queries.get(tile.query_id, tile.query_id))
