"""What a comparison found, in numbers."""

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`key_fields`: those given or found (`key_found`); without any, rows are a multiset, and a row that changed is one
    removed and one added. `duplicates_before`, `duplicates_after`: rows whose key a row before them has; such rows are
    matched as a multiset; 0 without a key. `removed_share`: of the rows before, in [0, 1], which warns of a delivery
    that lacks most. `digest_before`, `digest_after`: xxh3-128 of each side's text, unpacked, in hex; of Parquet
    that of its NDJSON.
    """

    rows_before: int
    rows_after: int
    added: int
    changed: int
    removed: int
    unchanged: int
    duplicates_before: int
    duplicates_after: int
    removed_share: float
    key_fields: list[str]
    key_found: bool
    digest_before: str
    digest_after: str

    @property
    def equal(self) -> bool:
        return not (self.added or self.changed or self.removed)
