"""When documents are packed, merged, swept and deleted. They are in storage/contents/."""

from delta_server.features.contents import tasks
from delta_server.http.feature import Feature
from delta_server.services import Cascade
from delta_server.storage.contents import contents, maintenance
from delta_server.tasks.loops import Loop
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="contents",
    cascades=[Cascade("endpoint", lambda _: contents.delete_some)],
    loops=[Loop("pack new contents", tasks.keep_packed)],
    periodic=[
        Periodic("pack loose contents", lambda svc: maintenance.pack(svc.contents), every_s=3600),
        Periodic("merge old packs", lambda svc: maintenance.merge(svc.contents), every_s=3600),
        Periodic("sweep dead contents", lambda svc: maintenance.sweep(svc.contents), every_s=600),
    ],
    make_room=lambda svc: maintenance.sweep(svc.contents),
)
