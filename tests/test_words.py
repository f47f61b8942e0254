"""Words that are retired, with those that the field uses: docs/glossary.md has the terms."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path
    for pattern in ("delta_server/**/*.py", "docs/*.md", "README.md", "config.example.toml")
    for path in ROOT.glob(pattern)
    if path.name != "glossary.md"  # it names them
)
RETIRED = {
    r"is no (field|metric|number|operation|path|time zone)\b": "is not a known field, is not a number",
    r"must be a text\b": "must be a string",
    r"How the server is\b": "health",
    r"\bindex of lives\b": "record index",
    r"\blet go of events\b": "expire events",
    r"\blook after\b": "maintain, update",
    r"\btold\b": "reported, answered, sent, said",
    r"(?i)\blet(s|ting)? go\b": "expire what is past its retention, release what is held",
    r"\btend(s|ed|ing)?\b": "run_maintenance, maintain",
    r"\bwhose which id\b": "links of ids",
    r"\bis no (JSON|text)\b": "is not JSON, is not a string",
    r"\bgood for\b": "valid for, expires after",
    r"\b(is|are) good (too|instead)\b": "may be given too, may be used instead",
}
"""Pattern of what is refused -> what to write instead."""


def test_retired_words_are_not_used() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}: write {instead}"
        for path in FILES
        for text in [path.read_text(encoding="utf-8")]
        for pattern, instead in RETIRED.items()
        for match in re.finditer(pattern, text)
    ]
    assert found == []


def test_every_term_of_the_glossary_stands_once() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("## Verbs")[0]
    terms = re.findall(r"^\| ([^|]+?) \|", glossary, re.M)
    terms = [term for term in terms if term not in {"term", "---"}]
    assert len(terms) > 60
    assert sorted(terms) == sorted(set(terms))


def test_no_two_classes_of_a_package_share_a_name() -> None:
    """A row of the store and what the API shows of it may: `schemas.Project` is made from `store.Project`."""
    homes: dict[tuple[Path, str], list[str]] = {}
    for path in sorted((ROOT / "delta_server").rglob("*.py")):
        if path.name != "schemas.py":
            for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.M):
                homes.setdefault((path.parent, name), []).append(path.name)
    assert {f"{name} of {folder.name}": files for (folder, name), files in homes.items() if len(files) > 1} == {}
