"""What devices disagree about, and what happens then."""

from delta_server.http.feature import Feature

FEATURE = Feature(name="conflicts", family="sync", tables=["sync_type", "sync_conflict"])
