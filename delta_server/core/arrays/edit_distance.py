"""Alignments with the fewest edits, for arrays in which values repeat or the place is the meaning.

An edit removes, adds or replaces one element (Levenshtein); of alignments with as many edits, one that keeps elements
at their places is preferred. Values become code points of two strings, so that a run of equal elements is found by
comparing slices that double in length, at the speed of memcmp.

1. Up to `_ERRORS` edits are found by the furthest-reaching search of Landau, Vishkin and Myers: O(n + edits²), exact.
2. Else, up to `_MAX_CELLS` cells, by the bits of the whole table (core/arrays/bit_parallel.py): exact.
3. Else unique elements, and runs that occur once on both sides, cut the sequences into pieces, aligned as above.
4. A piece without those is searched in steps: half of the furthest path of `_STEP` edits is taken, again and again.
5. When the budget is used up, what is left is compared place by place; so is everything, if that makes fewer edits.

The work is linear in the elements with a bounded addition for their differences, and the result exact by (1) and (2).
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import isqrt
from operator import ne

from delta_server.core.arrays import bit_parallel, subsequences
from delta_server.core.arrays.subsequences import Pair

_ERRORS_OF_SMALL, _ERRORS, _STEP = 64, 256, 64
_MAX_SEARCHED = 1 << 19  # cells of the searches of one alignment, about half a second
_MAX_CELLS = 1 << 24  # of the table of (2): 4 MB
_MAX_TABLED = 1 << 28  # of all tables of one alignment
_MAX_CUTS = 3  # how often pieces are cut into pieces
_PROBES, _PROBE_LENGTHS = 24, (4096, 256, 32)
_WINDOW = 1 << 14
_DEAD = -(1 << 40)
_ONLY_A, _ONLY_B, _FIRST_CODE = 0, 1, 2
_CODES = 0x110000

Block = tuple[int, int, int]  # place in a, place in b, length: a run of equal elements


def kept_pairs(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """Pairs (place in a, place in b) of the equal elements an alignment keeps, both increasing.

    Between two of them, what `a` has is replaced by what `b` has, place by place, and the longer side's rest is
    removed or added.
    """
    coded = _coded(a, b)
    if coded is None:
        return []
    pairs: list[Pair] = []
    for i, j, length in _blocks(*coded):
        pairs += zip(range(i, i + length), range(j, j + length), strict=True)
    return pairs


def runs(a: str, b: str) -> list[Block]:
    """The equal runs of two long strings; none of what is to be compared place by place: everything, if that makes
    fewer edits."""
    aligner = _Aligner(a, b, by_probes=True)
    blocks = aligner.blocks()
    if aligner.is_exact:
        return blocks
    return [] if _unequal(a, b, [(len(a), len(b), 0)]) <= _unequal(a, b, [*blocks, (len(a), len(b), 0)]) else blocks


def _unequal(a: str, b: str, blocks: list[Block]) -> int:
    """The edits between equal runs where what lies between them is compared place by place."""
    edits = i = j = 0
    for x, y, length in blocks:
        edits += abs((x - i) - (y - j))
        for at in range(0, min(x - i, y - j), _WINDOW):
            one, other = a[i + at : min(x, i + at + _WINDOW)], b[j + at : min(y, j + at + _WINDOW)]
            edits += 0 if one == other else sum(map(ne, one, other))
        i, j = x + length, y + length
    return edits


def _blocks(a: str, b: str) -> list[Block]:
    aligner = _Aligner(a, b)
    blocks = aligner.blocks()
    if aligner.is_exact:
        return blocks
    in_place = _by_place(a, b, 0, 0)
    return in_place if _edits(in_place, len(a), len(b)) <= _edits(blocks, len(a), len(b)) else blocks


def _edits(blocks: list[Block], length_a: int, length_b: int) -> int:
    edits = i = j = 0
    for x, y, length in [*blocks, (length_a, length_b, 0)]:
        edits += max(x - i, y - j)
        i, j = x + length, y + length
    return edits


def _coded(a: Sequence[Hashable], b: Sequence[Hashable]) -> tuple[str, str] | None:
    """Both sequences as strings, a code point for each value; None if no value is on both sides."""
    shared = set(a).intersection(b)
    if not shared:
        return None
    # Values beyond the code points count as unequal: the diff compares such elements by place.
    codes = {value: chr(code) for value, code in zip(shared, range(_FIRST_CODE, _CODES), strict=False)}
    return (
        "".join([codes.get(value, chr(_ONLY_A)) for value in a]),
        "".join([codes.get(value, chr(_ONLY_B)) for value in b]),
    )


def run_length(a: str, b: str, i: int, j: int) -> int:
    """How many characters of `a` from `i` on equal those of `b` from `j` on."""
    limit = min(len(a) - i, len(b) - j)
    at = 0
    while at < limit and at < 8:
        if a[i + at] != b[j + at]:
            return at
        at += 1
    size = 16
    while at < limit and a[i + at : i + at + size] == b[j + at : j + at + size]:
        at += size  # at the very end slices are shorter, and equal only if both end there
        size = min(size * 2, 1 << 20)
    at = min(at, limit)
    while size > 1:
        size //= 2
        if at + size <= limit and a[i + at : i + at + size] == b[j + at : j + at + size]:
            at += size
    return at


class _Aligner:
    """Aligns pieces of two strings, within a budget for all of them. `by_probes`: what occurs once is not counted out,
    which takes memory for each element, and what is then too large is left out."""

    def __init__(self, a: str, b: str, *, by_probes: bool = False) -> None:
        self._a, self._b, self._by_probes = a, b, by_probes
        self._searched, self._tabled = _MAX_SEARCHED, _MAX_TABLED
        self._found: list[Block] = []
        self.is_exact = True

    def blocks(self) -> list[Block]:
        self._align(0, len(self._a), 0, len(self._b), _MAX_CUTS)
        return self._found

    def _align(self, i: int, end_i: int, j: int, end_j: int, cuts: int) -> None:
        """Find the blocks of a[i:end_i] and b[j:end_j], in order."""
        head, tail = _equal_ends(self._a[i:end_i], self._b[j:end_j])
        self._add(i, j, head)
        i, j = i + head, j + head
        a, b = self._a[i : end_i - tail], self._b[j : end_j - tail]
        if a and b:
            self._align_middles(a, b, i, j, cuts)
        self._add(end_i - tail, end_j - tail, tail)

    def _align_middles(self, a: str, b: str, i: int, j: int, cuts: int) -> None:
        cells = len(a) * len(b)
        fits = cells <= min(_MAX_CELLS, self._tabled)
        if search := self._search(a, b, _ERRORS_OF_SMALL if fits else _ERRORS):
            for x, y, length in search.path():
                self._add(i + x, j + y, length)
        elif fits:
            self._tabled -= cells
            for x, y in bit_parallel.fewest_edits(a, b):
                self._add(i + x, j + y, 1)
        else:
            self.is_exact = False
            find = _probe if self._by_probes else _anchors
            anchors = find(a, b) if cuts else []
            if anchors:
                self._align_between(anchors, i, j, (i + len(a), j + len(b)), cuts - 1)
            elif not self._by_probes:
                self._align_in_steps(i, i + len(a), j, j + len(b))

    def _search(self, a: str, b: str, most: int) -> "_Search | None":
        """The search if it came to the end within the budget."""
        most = min(most, isqrt(max(0, self._searched)))
        least = max(abs(len(a) - len(b)), a.count(chr(_ONLY_A)), b.count(chr(_ONLY_B)))
        if least > most:
            return None
        search = _Search(a, b, most)
        self._searched -= search.cells
        return search if search.is_done else None

    def _align_between(self, anchors: list[Block], i: int, j: int, ends: Pair, cuts: int) -> None:
        start_i, start_j = i, j
        for x, y, length in anchors:
            x, y = start_i + x, start_j + y
            if i < x and j < y and (x - i > 1 or y - j > 1):
                self._align(i, x, j, y, cuts)
            self._add(x, y, length)
            i, j = x + length, y + length
        self._align(i, ends[0], j, ends[1], cuts)

    def _align_in_steps(self, i: int, end_i: int, j: int, end_j: int) -> None:
        a, b = self._a[:end_i], self._b[:end_j]
        while i < end_i and j < end_j:
            if self._searched < _STEP * _STEP:
                for block in _by_place(a, b, i, j):
                    self._add(*block)
                return
            search = _Search(a, b, _STEP, i, j)
            self._searched -= search.cells
            for block in search.path(None if search.is_done else _STEP // 2):
                self._add(*block)
            if search.is_done:
                return
            i, j = search.reached

    def _add(self, i: int, j: int, length: int) -> None:
        if length:
            self._found.append((i, j, length))


def _equal_ends(a: str, b: str) -> Pair:
    head = run_length(a, b, 0, 0)
    return head, run_length(a[head:][::-1], b[head:][::-1], 0, 0)


def _by_place(a: str, b: str, i: int, j: int) -> list[Block]:
    return [(i + at, j + at, 1) for at, (x, y) in enumerate(zip(a[i:], b[j:], strict=False)) if x == y]


def _anchors(a: str, b: str) -> list[Block]:
    """Equal runs, in order, that are surely the same ones: of unique elements, else of long unique pieces."""
    counts_a, counts_b = Counter(a), Counter(b)
    place_in_b = {value: j for j, value in enumerate(b) if counts_b[value] == 1}
    unique = [(i, place_in_b[value]) for i, value in enumerate(a) if counts_a[value] == 1 and value in place_in_b]
    if unique:
        return _in_order(a, b, unique)
    return _probe(a, b)


def _probe(a: str, b: str) -> list[Block]:
    for length in _PROBE_LENGTHS:
        probes = range(0, len(a) - length, max(length, len(a) // _PROBES))
        pairs = [(i, j) for i in probes if (j := _unique_position(a[i : i + length], a, b)) is not None]
        if pairs:
            return _in_order(a, b, pairs)
    return []


def _unique_position(piece: str, a: str, b: str) -> int | None:
    """The place in `b` of a piece that both have once."""
    j = b.find(piece)
    if j < 0 or b.find(piece, j + 1) >= 0 or a.find(piece, a.find(piece) + 1) >= 0:
        return None
    return j


def _in_order(a: str, b: str, pairs: list[Pair]) -> list[Block]:
    blocks: list[Block] = []
    end_i = end_j = 0
    for place in subsequences.increasing([j for _, j in pairs]):
        i, j = pairs[place]
        if i >= end_i and j >= end_j:
            blocks.append((i, j, run_length(a, b, i, j)))
            end_i, end_j = i + blocks[-1][2], j + blocks[-1][2]
    return blocks


class _Search:
    """The furthest-reaching paths of up to `most` edits from (start_i, start_j) towards the ends of `a` and `b`.

    `_rows[e][k + e]` is the furthest place in `a` that e edits reach on diagonal k (the place in b less that in a, both
    from the start), negative where there is none.
    """

    def __init__(self, a: str, b: str, most: int, start_i: int = 0, start_j: int = 0) -> None:
        self._a, self._b, self._start_i, self._start_j = a, b, start_i, start_j
        self._n, self._m = len(a) - start_i, len(b) - start_j
        self._rows: list[list[int]] = [self._row([_DEAD, -1, _DEAD], 0)]
        self.reached = start_i, start_j
        while not self.is_done and len(self._rows) <= most:
            self._rows.append(self._row([_DEAD, _DEAD, *self._rows[-1], _DEAD, _DEAD], len(self._rows)))

    @property
    def is_done(self) -> bool:
        errors, goal = len(self._rows) - 1, self._m - self._n
        return abs(goal) <= errors and self._rows[-1][goal + errors] == self._n

    @property
    def cells(self) -> int:
        return len(self._rows) ** 2

    def _row(self, previous: list[int], errors: int) -> list[int]:
        """One edit more: `previous` has two dead places at either end."""
        a, b, start_i, start_j, n, m = self._a, self._b, self._start_i, self._start_j, self._n, self._m
        row = []
        for place in range(2 * errors + 1):
            k = place - errors
            limit = min(n, m - k)
            x = previous[place + 1]
            if x < limit:
                x += 1  # replaced
            if x < previous[place] <= limit:
                x = previous[place]  # added
            if x <= previous[place + 2] < limit:
                x = previous[place + 2] + 1  # removed
            if 0 <= x < limit and a[start_i + x] == b[start_j + x + k]:
                x += run_length(a, b, start_i + x, start_j + x + k)
            row.append(x)
        return row

    def path(self, most: int | None = None) -> list[Block]:
        """The equal runs of the path to the end; with `most`, of that many first edits of the path that came furthest,
        and `reached` is where they lead."""
        errors = len(self._rows) - 1
        row = self._rows[errors]
        k = max(range(-errors, errors + 1), key=lambda k: 2 * row[k + errors] + k) if most else self._m - self._n
        x = row[k + errors]
        blocks: list[Block] = []
        while True:
            if errors == most:
                blocks.clear()
                self.reached = self._start_i + x, self._start_j + x + k
            start, before_k, before = self._before(errors, k, x)
            if x > start:
                blocks.append((self._start_i + start, self._start_j + start + k, x - start))
            if not errors:
                return blocks[::-1]
            errors, k, x = errors - 1, before_k, before

    def _before(self, errors: int, k: int, x: int) -> tuple[int, int, int]:
        """Where the run that ends at `x` begins, and from where its beginning was reached: the diagonal and the place.
        By a replacement if that can be."""
        if not errors:
            return 0, 0, 0
        previous = [_DEAD, _DEAD, *self._rows[errors - 1], _DEAD, _DEAD]
        place = k + errors
        limit = min(self._n, self._m - k)
        replaced, added, removed = previous[place + 1], previous[place], previous[place + 2]
        ways = [(min(replaced + 1, limit), k, replaced), (added, k - 1, added), (removed + 1, k + 1, removed)]
        for start, before_k, before in ways:
            if before >= 0 and start <= min(x, limit) and self._is_run(start, x, k):
                return start, before_k, before
        raise AssertionError("every place of a row was reached from the row before it")

    def _is_run(self, start: int, end: int, k: int) -> bool:
        i, j = self._start_i, self._start_j + k
        return self._a[i + start : i + end] == self._b[j + start : j + end]
