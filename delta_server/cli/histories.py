"""Recorded histories outside of Delta: NDJSON files and the versions of a file in a git repository."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.features.snapshots.importing import Version

LARGEST_WINDOW = 1 << 27
READ_BYTES = 1 << 14


class Line(msgspec.Struct, frozen=True):
    """One version in a history file: when, and the document's exact text as a JSON string."""

    at: str
    body: str


_decode = msgspec.json.Decoder(Line).decode


def read_ndjson(path: Path, told: Callable[[int], None]) -> Iterator[Version]:
    """Versions of FILE.ndjson or FILE.ndjson.zst; `told` gets the bytes of the file read so far. Raises Invalid."""
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file, compressed=path.suffix == ".zst"), 1):
            if not line or line.isspace():
                continue
            try:
                version = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Invalid(f'{path.name}, line {number}: {error}; expected {{"at": TIME, "body": TEXT}}') from None
            yield Version(times.parse(version.at, field=f"at (line {number})"), version.body.encode())
            told(file.tell())


def _lines(file: IO[bytes], *, compressed: bool) -> Iterator[bytes]:
    if not compressed:
        yield from file
        return
    waiting: list[bytes] = []
    for piece in _decompressed(file):
        first, *others = piece.split(b"\n")
        waiting.append(first)
        for line in others:
            yield b"".join(waiting)
            waiting = [line]
    yield b"".join(waiting)


def _decompressed(file: IO[bytes]) -> Iterator[bytes]:
    """Pieces of what the file's zstd frames hold. Raises Invalid, for a file that ends within one too."""
    context = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    decoder = context.decompressobj()
    try:
        while piece := file.read(READ_BYTES):
            while piece:
                if decoder.eof:
                    decoder = context.decompressobj()
                yield decoder.decompress(piece)
                piece = decoder.unused_data if decoder.eof else b""
    except zstandard.ZstdError as error:
        raise Invalid(f"the file is not a zstd file, or it is damaged: {error}") from None
    if not decoder.eof:
        raise Invalid("the file ends too early: it is not whole, copy it again")


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
                yield Version(captured_at, git.stdout.read(int(header[2])))
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
