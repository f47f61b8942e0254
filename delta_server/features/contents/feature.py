"""The documents themselves, each stored once, in frames and packs."""

from delta_server.features.contents import service, tasks
from delta_server.http.feature import Feature
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="contents",
    tables=["content", "frame", "pack"],
    cascades=[Cascade("endpoint", lambda _: service.delete_some)],
    loops=[Loop("pack new contents", tasks.keep_packed)],
    periodic=[
        Periodic("pack loose contents", tasks.pack, every_s=3600),
        Periodic("merge old packs", tasks.merge, every_s=3600),
        Periodic("sweep dead contents", tasks.sweep, every_s=600),
    ],
    make_room=tasks.sweep,
)
