"""When each field of an endpoint's documents changed."""

from delta_server.features.fields import store, tasks, views
from delta_server.http.feature import Feature
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="fields",
    tables=["field", "field_change"],
    checksummed=[store.CHUNK_ROWS],
    sql_views={"fields": views.FIELDS},
    periodic=[Periodic("compact the field index", tasks.compact, every_s=86_400)],
)
