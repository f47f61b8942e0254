"""The keys of arrays that deltas find, as votes of their endpoint."""

from collections.abc import Mapping, Sequence

from delta_server.core.arrays import key_cache
from delta_server.core.arrays.key_cache import Votes
from delta_server.core.diff.diff_settings import Fields, KnownKeys
from delta_server.features.deltas.rows import Computed, Job


def with_votes_of(votes: Votes, done: Sequence[Computed]) -> tuple[Votes, list[Mapping[str, Fields]]]:
    """The votes with those of some deltas, and the keys that these found."""
    found = [computed.summary.found_keys for computed in done if computed.summary and computed.summary.found_keys]
    for keys in found:
        votes = key_cache.add_votes(votes, keys)
    return votes, found


def compared_otherwise(done: Sequence[Computed], known: KnownKeys) -> list[Job]:
    """The first deltas of an endpoint knew no keys: those in which the elements of an array were matched in another way
    than in most. Between moments far apart that joins what is not the same."""
    return [
        computed.job
        for computed in done
        if (summary := computed.summary) is not None
        and any(
            summary.found_keys.get(pattern) != fields
            and any(field.pattern.startswith(f"{pattern}/*") for field in summary.fields)
            for pattern, fields in known
        )
    ]
