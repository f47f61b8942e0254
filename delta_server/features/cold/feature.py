"""Cold storage: when old packs and segments leave the database, and come back. How is in storage/cold/."""

from delta_server.features.cold import service, tasks
from delta_server.http.feature import Feature
from delta_server.tasks.commands import Command, NoArguments
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="cold",
    periodic=[Periodic("move to cold storage and back", tasks.keep_moving, every_s=60)],
    commands={
        "cold state": Command(NoArguments, service.ColdState, service.state),
        "cold move": Command(NoArguments, service.ColdState, service.move),
        "cold adopt": Command(NoArguments, service.Adopted, service.adopt),
    },
)
