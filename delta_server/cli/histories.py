"""Recorded histories outside of Delta: NDJSON files and the versions of a file in a git repository."""

import posixpath
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BufferedReader
from operator import itemgetter
from pathlib import Path

import msgspec
import zstandard

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.features.snapshots.importing import Version

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LARGEST_WINDOW = 1 << 27
READ_BYTES = 1 << 14


class Line(msgspec.Struct, frozen=True):
    """One version in a history file: when, and the document's exact text as a JSON string."""

    at: str
    body: str


_decode = msgspec.json.Decoder(Line).decode

EXPECTED = 'expected {"at": "2026-01-31T12:00:00Z", "body": "the document as a JSON string"}'
_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>\w+)`, got `(?P<got>\w+)`(?: - at `\$\.(?P<field>\w+)`)?")
_KINDS = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "object": "object"}


def read_ndjson(file: BufferedReader, name: str, told: Callable[[int], None]) -> Iterator[Version]:
    """Versions of lines of NDJSON, or of them in zstd; `told` gets the bytes of the file read so far. Raises Invalid.

    `file` may be a pipe: it is read once and as it comes.
    """
    compressed = name.endswith(".zst") or file.peek(4)[:4] == ZSTD_MAGIC
    for number, line in enumerate(_lines(file, told, compressed=compressed), 1):
        if not line or line.isspace():
            continue
        try:
            version = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{name}, line {number}: {_explained(error)}; {EXPECTED}") from None
        yield Version(times.parse(version.at, field=f"at (line {number})"), version.body.encode(), f"line {number}")


def _explained(error: Exception) -> str:
    """msgspec's words for the mistakes that are likely, said for people."""
    match = _WRONG_TYPE.fullmatch(str(error))
    if match is None:
        return str(error)
    field, got = match["field"], match["got"]
    if field == "body":
        return f"body is a JSON {_KINDS.get(got, got)}, not a JSON string that holds the document's text"
    return f"{field or 'the line'} is a JSON {_KINDS.get(got, got)}, not a JSON {_KINDS.get(match['wanted'])}"


def _lines(file: BufferedReader, told: Callable[[int], None], *, compressed: bool) -> Iterator[bytes]:
    if not compressed:
        done = 0
        for line in file:
            done += len(line)
            told(done)
            yield line
        return
    waiting: list[bytes] = []
    for piece in _decompressed(file, told):
        first, *others = piece.split(b"\n")
        waiting.append(first)
        for line in others:
            yield b"".join(waiting)
            waiting = [line]
    yield b"".join(waiting)


def _decompressed(file: BufferedReader, told: Callable[[int], None]) -> Iterator[bytes]:
    """Pieces of what the file's zstd frames hold. Raises Invalid, for a file that ends within one too."""
    context = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    decoder = context.decompressobj()
    done = 0
    try:
        while piece := file.read1(READ_BYTES):
            done += len(piece)
            told(done)
            while piece:
                if decoder.eof:
                    decoder = context.decompressobj()
                yield decoder.decompress(piece)
                piece = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise Invalid(f"the file is not a zstd file, or it is damaged: {error}") from None
    if not decoder.eof:
        raise Invalid("the file ends too early: it is not whole, copy it again")


def git_path(path: str) -> str:
    """A file's path as git writes it, from the repository's top. Raises Invalid."""
    plain = posixpath.normpath(path) if path else "."
    if plain == "." or plain.startswith(("/", "../")):
        raise Invalid(f'"{path}" is not a file in the repository: give its path from the repository\'s top')
    return plain


def git_versions(repository: Path, path: str) -> list[tuple[int, str]]:
    """(commit time in ms, commit) of every commit that changed the file, oldest first. Raises Invalid."""
    log = _git(repository, "log", "--reverse", "--diff-filter=AM", "--format=%cI %H", "--", f":(top,literal){path}")
    versions = [line.split(" ") for line in log.decode().splitlines()]
    if not versions:
        raise Invalid(f"git knows no version of {path} there; the path counts from the repository's top")
    found = [(round(datetime.fromisoformat(at).timestamp() * 1000), commit) for at, commit in versions]
    return sorted(found, key=itemgetter(0))  # a rebase or a wrong clock puts commits out of the order of their times


def read_git(
    repository: Path, path: str, versions: list[tuple[int, str]], told: Callable[[int], None]
) -> Iterator[Version]:
    """The file as each commit has it, through one `git cat-file --batch`; `told` gets the versions read so far."""
    command = ["git", "-C", str(repository), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        for number, (captured_at, commit) in enumerate(versions, 1):
            git.stdin.write(f"{commit}:{path}\n".encode())
            git.stdin.flush()
            header = git.stdout.readline().split()
            if len(header) == 3 and header[1] == b"blob":
                yield Version(captured_at, git.stdout.read(int(header[2])), f"commit {commit[:12]}")
                git.stdout.read(1)
            told(number)


def _git(repository: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=True)
    except FileNotFoundError:
        raise Invalid("git is not installed; install it, or import an NDJSON file") from None
    except subprocess.CalledProcessError as error:
        raise Invalid(f"git says: {error.stderr.decode(errors='replace').strip()}") from None
    return done.stdout
