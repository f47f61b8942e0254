"""What compiles each kind of plan but aggregates and listings."""

from delta_server.core.query.plan import Sample
from delta_server.storage.events.query import funnels, samples
from delta_server.storage.events.query.answers import Compiler

COMPILERS: dict[type, Compiler] = {**funnels.COMPILERS, Sample: samples.compile_sample}
