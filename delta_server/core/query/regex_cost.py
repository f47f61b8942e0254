"""What a regular expression costs: the size of the machine that looks for it.

RE2 takes time in proportion to the text times that size, and DuckDB hears no interrupt before 2,048 texts are done:
`.{900}c|.{901}d|e.{999}f` takes 1.7 s for each text of 30 KB, an hour for one such step.
"""

import re

_REPEATED = re.compile(r"\{(\d+)(?:,(\d*))?\}", re.ASCII)
_NAMED = re.compile(r"\\[xpP]\{[^}]*\}")


def cost(pattern: str) -> int:
    """About how many characters and classes the pattern has when all its `{n}` are written out: `(ab{3}){10}` is 40."""
    groups = [0]
    last = at = 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "(":
            groups.append(0)
            last = 0
        elif pattern[at] == ")":
            last = groups.pop() if len(groups) > 1 else 0
            groups[-1] += last
        elif repeated := _REPEATED.match(pattern, at):
            times = max(1, *(int(number[:9]) for number in repeated.groups() if number))
            groups[-1] += last * (times - 1)
            last, end = last * times, repeated.end()
        else:
            end = _atom(pattern, at)
            groups[-1] += 1
            last = 1 if pattern[at] not in "*+?" else last
        at = end
    return sum(groups)


def _atom(pattern: str, at: int) -> int:
    """Where the character or class ends that begins at `at`."""
    if pattern[at] == "[":
        return _class(pattern, at)
    named = _NAMED.match(pattern, at)
    return named.end() if named else at + (2 if pattern[at] == "\\" else 1)


def _class(pattern: str, at: int) -> int:
    at += 2 if pattern.startswith("[^", at) else 1
    first = at
    while at < len(pattern) and (pattern[at] != "]" or at == first):
        named = pattern.find(":]", at) if pattern.startswith("[:", at) else -1
        at = named + 2 if named >= 0 else at + (2 if pattern[at] == "\\" else 1)
    return at + 1
