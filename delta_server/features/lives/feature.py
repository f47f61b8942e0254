"""How long each element of an array was there."""

from delta_server.features.lives import store
from delta_server.http.feature import Feature

FEATURE = Feature(name="lives", tables=["life"], checksummed=[store.LIFE_ROWS])
