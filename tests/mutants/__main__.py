"""Would the tests notice? One small change at a time to the code, then the tests of its folder: `make mutants`.

Changes are made in a copy of the package in a directory of their own, so that what is edited meanwhile is not touched.
A change that no test notices has survived: a test is missing, or the code says something that does not matter.
"""

import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_S = 120  # of one change's tests, which may hang; that is noticed, too

SWAPPED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv,
}  # fmt: skip
Change = tuple[int, int, str]  # begin and end in the bytes of the file, and what is put there
NOTHING: Change = (0, 0, "")


def changes(source: str) -> Iterator[Change]:
    """Every change of one operator, number, truth or condition that is known here."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(ast.parse(source)):
        if (text := _changed(node)) is not None:
            assert isinstance(node, ast.expr)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            yield begin, end, f"({text})" if not isinstance(node, ast.Constant) else text


def _changed(node: ast.AST) -> str | None:
    """The text of an expression with its operator swapped or its value changed; None if it is left alone."""
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in SWAPPED:
            return ast.unparse(ast.Compare(left, [SWAPPED[type(operator)]()], right))
        case ast.BoolOp(operator, values):
            return ast.unparse(ast.BoolOp(SWAPPED[type(operator)](), values))
        case ast.BinOp(left, operator, right) if type(operator) in SWAPPED and not _of_types(node):
            return ast.unparse(ast.BinOp(left, SWAPPED[type(operator)](), right))
        case ast.UnaryOp(ast.Not(), operand):
            return ast.unparse(operand)
        case ast.Constant(bool() as value):
            return str(not value)
        case ast.Constant(int() as value):
            return str(value + 1)
    return None


def _of_types(node: ast.BinOp) -> bool:
    """Texts joined by + cannot be subtracted: every test fails, which tells nothing."""
    return any(isinstance(side, ast.JoinedStr | ast.List) or _is_text(side) for side in (node.left, node.right))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def applied(source: bytes, change: Change) -> bytes:
    begin, end, text = change
    return source[:begin] + text.encode() + source[end:]


def tests_of(path: Path) -> list[str]:
    """Its own, or all that stand beside where they would."""
    folder = Path("tests") / path.relative_to("delta_server").parent
    own = folder / f"test_{path.stem}.py"
    beside = sorted(str(other.relative_to(ROOT)) for other in (ROOT / folder).glob("test_*.py"))
    return [str(own)] if (ROOT / own).exists() else beside


def sampled(seed: int, count: int, part: str) -> list[tuple[Path, Change]]:
    """Files first, then a change in each, so that long files are not most of the sample."""
    chance = random.Random(seed)
    files = [*(ROOT / "delta_server/core").rglob("*.py"), *(ROOT / "delta_server/features").glob("*/service.py")]
    paths = sorted(file.relative_to(ROOT) for file in files if part in str(file.relative_to(ROOT)))
    paths = [path for path in paths if tests_of(path) and _all(path)]
    return [(path, chance.choice(_all(path))) for path in (chance.choice(paths) for _ in range(count if paths else 0))]


def _all(path: Path) -> list[Change]:
    return list(changes((ROOT / path).read_text(encoding="utf-8")))


def survives(copy: Path, path: Path, change: Change) -> bool:
    target = copy / path
    source = target.read_bytes()
    target.write_bytes(applied(source, change))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests_of(path)]
    try:
        with tempfile.TemporaryDirectory() as compiled:  # its own: two changes in one second may have the same size
            env = os.environ | {"PYTHONPATH": str(copy), "PYTHONPYCACHEPREFIX": compiled}
            done = subprocess.run(command, cwd=copy, env=env, capture_output=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    finally:
        target.write_bytes(source)
    return done.returncode == 0


def main(part: str) -> None:
    seed = int(os.environ.get("DELTA_SEED") or random.SystemRandom().randrange(10**6))
    count, seconds = int(os.environ.get("DELTA_MUTANTS", "40")), float(os.environ.get("DELTA_SECONDS", "600"))
    print(f"DELTA_SEED={seed}: up to {count} changes in {seconds:.0f} s", flush=True)
    sound: dict[tuple[str, ...], bool] = {}  # tests -> whether they pass while nothing is changed
    ends, tried, survived = time.monotonic() + seconds, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("delta_server", "tests", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        for name in ("pyproject.toml", "config.example.toml", "README.md"):
            shutil.copy(ROOT / name, copy)
        for path, change in sampled(seed, count, part):
            if time.monotonic() > ends:
                break
            tests = tuple(tests_of(path))
            if tests not in sound:
                sound[tests] = survives(copy, path, NOTHING)
            if not sound[tests]:
                print(f"fails without any change: {' '.join(tests)}", flush=True)
                continue
            tried += 1
            if survives(copy, path, change):
                survived += 1
                source = (ROOT / path).read_bytes()
                line = source[: change[0]].count(b"\n") + 1
                print(f"{path}:{line}: {source[change[0] : change[1]].decode()}  ->  {change[2]}", flush=True)
    print(f"{survived} of {tried} changes survived")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
