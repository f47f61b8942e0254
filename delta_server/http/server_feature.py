"""What belongs to no feature of the API."""

from delta_server.http import docs, field_descriptions, health, idempotency, static
from delta_server.http.feature import Feature
from delta_server.services import Cascade
from delta_server.storage import jobs as job_rows
from delta_server.storage import outbox
from delta_server.tasks import jobs, upkeep
from delta_server.tasks.periodic import Periodic

SERVER = Feature(
    name="server",
    routes=[*health.ROUTES, *docs.ROUTES, *static.ROUTES],
    guards={**health.GUARDS, **docs.GUARDS, **static.GUARDS},
    fields=field_descriptions.FIELDS,
    periodic=[
        Periodic("update planner statistics", upkeep.optimize, every_s=3600),
        Periodic("delete jobs that ended", jobs.delete_ended, every_s=3600),
        Periodic("give memory back to the system", upkeep.give_back_memory, every_s=10),
        Periodic("trim the outbox", upkeep.trim_outbox, every_s=600),
        Periodic("delete expired idempotency keys", idempotency.forget, every_s=3600),
    ],
    cascades=[
        Cascade("project", lambda _: job_rows.delete_some),
        Cascade("project", lambda _: outbox.delete_some),
    ],
    checksummed=[job_rows.ROWS, outbox.ROWS],
    at_start=jobs.release_all,
)
