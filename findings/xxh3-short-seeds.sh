#!/usr/bin/env bash
# xxh3 of xxhash 4.1.0 with another seed is no other hash for short texts: the seed is only added to what is combined with
# them by xor, so a text under seed 2 has the very hash of another one under seed 1. Of 40,000 texts from "0-0" to "39-999"
# 21,600 share their 128 bits with another text under the next seed, and 100 their 64 bits; with 20 bytes, or with the number
# in the text in place of the seed, none does. Who keeps tenants apart by seeds takes things of one for those of another.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install xxhash==4.1.0
"$work/venv/bin/python" - <<'PYTHON'
import sys

import xxhash

SHORT = [f"{a}-{b}".encode() for a in range(40) for b in range(1000)]
LONG = [text.rjust(20, b".") for text in SHORT]


def seeded(text, seed):
    return xxhash.xxh3_128_digest(text, seed)


def prefixed(text, seed):
    return xxhash.xxh3_128_digest(seed.to_bytes(8, "little") + text)


def shared(texts, digest):
    """How many texts have the digest, under seed 2, of any under seed 1."""
    known = {digest(text, 1) for text in texts}
    return sum(digest(text, 2) in known for text in texts)


found = {
    "short, seeded": shared(SHORT, seeded),
    "20 bytes, seeded": shared(LONG, seeded),
    "short, seed in the text": shared(SHORT, prefixed),
}
short64 = {xxhash.xxh3_64_digest(text, 1) for text in SHORT}
found["short, seeded, 64 bits"] = sum(xxhash.xxh3_64_digest(text, 2) in short64 for text in SHORT)
print(f"xxhash {xxhash.VERSION}, of {len(SHORT):,} texts")
for name, count in found.items():
    print(f"{name}: {count:,} have the hash of another text under another seed")
sys.exit(0 if found["short, seeded"] > 20_000 and not found["20 bytes, seeded"] + found["short, seed in the text"] else 1)
PYTHON
