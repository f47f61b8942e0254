"""Rows of documents, and hits in them, on the wire."""

FIELDS = {
    "TreeLevel.path": "Of the value whose rows these are; records by their key",
    "TreeLevel.kind": "Its JSON type",
    "TreeLevel.of": "How many members or elements it has",
    "TreeLevel.rows": "Those that were asked for, in the document's order",
    "TreeLevel.compared": "By what rows are found in the version before: `name`, `key`, `index`; null where not at all",
    "TreeLevel.removed": "Rows of the version before that are gone: the first hundred",
    "TreeLevel.removed_count": "How many are gone",
    "TreeRow.key": "A member's name, or an element's index",
    "TreeRow.record": "The step by key to an element, such as [id=7]; null where it has none of its own",
    "TreeRow.label": "What people call the record; null without one",
    "TreeRow.kind": "Its JSON type",
    "TreeRow.members": "How many members or elements are in it; null of a scalar",
    "TreeRow.text": "A scalar as it is written; null of an object or array",
    "TreeRow.cut": "Whether the text was cut: GET /v1/snapshots/{snapshot_id}/value has all of it",
    "TreeRow.size_bytes": "Size of the value as it is written",
    "TreeRow.marks": "What happened to it since the version before",
    "TreeMarks.op": "`add`, `replace`, or `inside` (something in an object or array changed); absent without a change",
    "TreeMarks.old": "What a replaced scalar was",
    "TextSearch.of": "How many hits there are; at least so many when it is not `complete`",
    "TextSearch.complete": "False when there are more hits than are counted, or all of it is too much to look at",
    "TextSearch.rows": "Those that were asked for, in the document's order",
    "TextHit.path": "The place, records by their key",
    "TextHit.pointer": "The place as a JSON Pointer, elements by index",
    "TextHit.found_in": "`key` when a member's name has the text, `value` when a scalar does",
    "TextHit.label": "What people call the record that the place is in; null without one",
    "TextHit.kind": "JSON type of the value there",
    "TextHit.text": "A scalar as it is written; of a long text what stands around the hit; null of an object or array",
    "TextHit.cut": "Whether the text was cut",
    "RecordSearch.of": "How many records there are; at least so many when it is not `complete`",
    "RecordSearch.complete": "False when there are more than are counted, or all of it is too much to look at",
    "RecordSearch.rows": "Those that were asked for, in the document's order",
    "RecordHit.path": "The record, by its key where it has one",
    "RecordHit.label": "What people call it; null without one",
    "RecordHit.key": "The values of its key; of a member of a map its name",
}

EXAMPLE_TREE = {
    "path": "/features",
    "kind": "array",
    "of": 132000,
    "rows": [
        {
            "key": 0,
            "record": "[id=7000q0pq]",
            "label": "M 6.2 - 61 km NNE Elounda",
            "kind": "object",
            "members": 4,
            "text": None,
            "cut": False,
            "size_bytes": 812,
            "marks": {"op": "inside"},
        }
    ],
    "compared": "key",
    "removed": [],
    "removed_count": 0,
}
EXAMPLE_FOUND = {
    "of": 1,
    "complete": True,
    "rows": [
        {
            "path": "/features/[id=7000q0pq]/properties/mag",
            "pointer": "/features/0/properties/mag",
            "found_in": "value",
            "label": "M 6.2 - 61 km NNE Elounda",
            "kind": "number",
            "text": "6.2",
            "cut": False,
        }
    ],
}
EXAMPLE_RECORDS = {
    "of": 1,
    "complete": True,
    "rows": [{"path": "/features/[id=7000q0pq]", "label": "M 6.2 - 61 km NNE Elounda", "key": ["7000q0pq"]}],
}
