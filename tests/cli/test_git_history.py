"""`import --git`, over repositories made here."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.imports import Stored, counts, imported, second, stored


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Repository:
    """Commits at given seconds of 2020-01-01."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, at: float = 0, may_fail: bool = False) -> str:
        settings = ["-c", "user.name=Ann Ö", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        settings += ["-c", "protocol.file.allow=always"]
        moment = second(at).replace(".000Z", "+00:00")
        environment = {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment, "PATH": "/usr/bin:/bin", "HOME": "/"}
        command = ["git", "-C", str(self.path), *settings, *arguments]
        return subprocess.run(command, env=environment, check=not may_fail, capture_output=True, text=True).stdout

    def write(self, files: dict[str, bytes | None]) -> None:
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.git("add", "--all")

    def commit(self, at: float, files: dict[str, bytes | None], message: str = "m") -> str:
        self.write(files)
        self.git("commit", "-q", "-m", message, at=at)
        return self.git("rev-parse", "HEAD").strip()

    def branch(self, name: str, start: str = "HEAD") -> None:
        self.git("checkout", "-q", "-B", name, start)

    def merge(self, at: float, *branches: str, files: dict[str, bytes | None] | None = None) -> str:
        """With `files`: the merge commit holds these, whatever git itself would make of it."""
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-ff", "--no-commit", *branches, at=at, may_fail=files is not None)
        self.write(files or {})
        self.git("commit", "-q", "-m", "merge", at=at)
        return self.git("rev-parse", "HEAD").strip()

    def head(self, name: str = "data.json") -> bytes:
        return self.git("show", f"HEAD:{name}").encode()


@pytest.fixture
def repository(here: Path) -> Repository:
    return Repository(here / "repository")


def test_every_version_of_a_file_in_git(repository: Repository) -> None:
    repository.commit(1, {"data.json": b'{"a": 1}\n', "other.json": b"[]"})
    repository.commit(2, {"other.json": b"[1]"})
    repository.commit(3, {"data.json": b'{"a":2}'})
    repository.commit(4, {"data.json": None})
    repository.commit(5, {"data.json": b"<html>oops</html>"})
    repository.commit(6, {"data.json": b""})
    repository.commit(7, {"data.json": b'{"a": 1}\n'})
    repository.commit(7, {"data.json": b'{"a": 3}'})
    repository.commit(7, {"data.json": b'{"a": 1}\n'})
    repository.commit(8, {"data.json": b'{"a": 4}'})
    first = imported("--git", "repository", "data.json")
    assert counts(first) == (6, 0, 2)
    assert first.stderr.count("refused: commit ") == 2
    assert [(each.captured_at, each.body) for each in stored()] == [
        (second(1), b'{"a": 1}\n'),
        (second(3), b'{"a":2}'),
        (second(7), b'{"a": 1}\n'),
        (second(7.001), b'{"a": 3}'),
        (second(7.002), b'{"a": 1}\n'),
        (second(8), b'{"a": 4}'),
    ]
    assert counts(imported("--git", "repository", "data.json")) == (0, 6, 2)
    repository.commit(9, {"data.json": b'{"a": 5}'})
    assert counts(imported("--git", "repository", "data.json")) == (1, 6, 2)


def test_commits_out_of_the_order_of_their_times(repository: Repository) -> None:
    for n, at in enumerate((10, 30, 20, 30, 20, 5)):
        repository.commit(at, {"data.json": b"[%d]" % n})
    first = imported("--git", "repository", "data.json")
    assert counts(first) == (6, 0, 0)
    kept = stored()
    assert [each.captured_at for each in kept] == [second(at) for at in (10, 30, 30.001, 30.002, 30.003, 30.004)]
    assert [each.body for each in kept] == [b"[%d]" % n for n in range(6)]
    assert counts(imported("--git", "repository", "data.json")) == (0, 6, 0)
    assert stored() == kept


@pytest.mark.parametrize("name", ["a b.json", "data[1].json", "sub/dir/data.json", "é.json", "*.json", "-x.json", ":x"])
def test_paths_are_taken_as_they_are(repository: Repository, name: str) -> None:
    repository.commit(1, {name: b"[1]", "data1.json": b"[0]", "a.json": b"[0]"})
    repository.commit(2, {name: b"[2]", "data1.json": b"[9]", "a.json": b"[9]"})
    assert counts(imported("--git", "--", "repository", name)) == (2, 0, 0)
    assert [each.body for each in stored()] == [b"[1]", b"[2]"]


def test_repositories_in_other_forms(repository: Repository, here: Path) -> None:
    repository.commit(1, {"sub/data.json": b"[1]"})
    repository.git("clone", "-q", "--bare", ".", str(here / "bare.git"))
    for n, place in enumerate(("repository/sub", "bare.git", "repository/.git")):
        assert counts(imported("--git", place, "sub/data.json", endpoint=f"e{n}")) == (1, 0, 0)
        assert stored(f"e{n}") == [Stored(second(1), b"[1]", "import", stored("e0")[0].metadata)]


def test_what_git_does_not_know(repository: Repository, here: Path) -> None:
    repository.commit(1, {"data.json": b"[1]"})
    assert counts(imported("--git", "repository", "./sub/..//data.json")) == (1, 0, 0)
    for path in ("", ".", "./", "/data.json", "../data.json"):
        assert "is not a file in the repository" in imported("--git", "repository", path, code=1).stderr
    assert "git knows no version of none.json" in imported("--git", "repository", "none.json", code=1).stderr
    assert "git says: " in imported("--git", str(here / "nowhere"), "data.json", code=1).stderr
    Repository(here / "empty")
    assert "empty has no commits yet" in imported("--git", "empty", "data.json", code=1).stderr
    (here / "plain").mkdir()
    assert "not a git repository" in imported("--git", "plain", "data.json", code=1).stderr


# Merges: the branch's own line, and what is in the merge itself

LINES = {name: index for index, name in enumerate("abcdefgh")}


def document(**values: object) -> bytes:
    """Fields on lines far from each other, so that git merges changes of two without a conflict."""
    lines = [f' "{name}": {json.dumps(values.get(name, 1))},\n' + " \n" * 4 for name in LINES]
    return ("{\n" + "".join(lines) + ' "z": 0}\n').encode()


def bodies() -> list[bytes]:
    return [each.body for each in stored()]


def test_a_merge_without_conflict_counts_with_what_it_holds(repository: Repository) -> None:
    repository.commit(1, {"data.json": document()})
    repository.branch("side")
    repository.commit(2, {"data.json": document(b=2)})
    repository.branch("main", "main")
    repository.commit(3, {"data.json": document(a=2)})
    repository.merge(4, "side")
    repository.commit(5, {"data.json": document(a=2, b=2, c=3)})
    assert counts(imported("--git", "repository", "data.json")) == (4, 0, 0)
    assert bodies() == [document(), document(a=2), document(a=2, b=2), document(a=2, b=2, c=3)]
    assert [each.captured_at for each in stored()] == [second(at) for at in (1, 3, 4, 5)]


@pytest.mark.parametrize("resolved", [document(a=4), document(a=2), document(h="evil")], ids=["new", "ours", "evil"])
def test_a_conflict_resolved_by_hand(repository: Repository, resolved: bytes) -> None:
    repository.commit(1, {"data.json": document()})
    repository.branch("side")
    repository.commit(2, {"data.json": document(a=3)})
    repository.branch("main", "main")
    repository.commit(3, {"data.json": document(a=2)})
    repository.merge(4, "side", files={"data.json": resolved})
    wanted = [document(), document(a=2), *([resolved] if resolved != document(a=2) else [])]
    assert counts(imported("--git", "repository", "data.json")) == (len(wanted), 0, 0)
    assert bodies() == wanted
    assert bodies()[-1] == repository.head()


def test_an_octopus_merge_and_an_evil_one(repository: Repository) -> None:
    repository.commit(1, {"data.json": document()})
    for at, name in ((2, "b"), (3, "c"), (4, "d")):
        repository.branch(name, "main")
        repository.commit(at, {"data.json": document(**{name: at})})
    repository.merge(5, "b", "c", "d")
    repository.branch("e", "main")
    repository.commit(6, {"other.json": b"1"})
    repository.merge(7, "e", files={"data.json": document(h=7)})
    imported("--git", "repository", "data.json")
    assert bodies() == [document(), document(b=2, c=3, d=4), document(h=7)]
    assert bodies()[-1] == repository.head()


def test_a_file_that_comes_with_a_merge_and_goes_with_one(repository: Repository) -> None:
    repository.commit(1, {"other.json": b"1"})
    repository.branch("side")
    repository.commit(2, {"data.json": b"[2]"})
    repository.commit(3, {"data.json": b"[3]"})
    repository.merge(4, "side")
    repository.branch("gone")
    repository.commit(5, {"data.json": None})
    repository.merge(6, "gone")
    repository.commit(7, {"data.json": b"[3]"})
    assert counts(imported("--git", "repository", "data.json")) == (2, 0, 0)
    assert [(each.captured_at, each.body) for each in stored()] == [(second(4), b"[3]"), (second(7), b"[3]")]


def test_merges_in_merges(repository: Repository) -> None:
    """What was on a side branch, and on one of that, is told by the merges of the line."""
    repository.commit(1, {"data.json": b"[1]"})
    repository.branch("outer")
    repository.commit(2, {"data.json": b"[2]"})
    repository.branch("inner")
    repository.commit(3, {"data.json": b"[3]"})
    repository.git("checkout", "-q", "outer")
    repository.git("merge", "-q", "--no-ff", "--no-edit", "inner", at=4)
    repository.merge(5, "outer")
    imported("--git", "repository", "data.json")
    assert [(each.captured_at, each.body) for each in stored()] == [(second(1), b"[1]"), (second(5), b"[3]")]


def test_a_setting_of_the_user_does_not_change_what_is_found(repository: Repository) -> None:
    repository.commit(1, {"old.json": document()})
    repository.git("mv", "old.json", "data.json")
    repository.commit(2, {})
    repository.branch("side")
    repository.commit(3, {"data.json": document(b=2)})
    repository.branch("main", "main")
    repository.commit(4, {"data.json": document(a=2)})
    repository.merge(5, "side")
    for name, value in (
        *(
            ("log.follow", "true"),
            ("log.diffMerges", "combined"),
            ("diff.renames", "copies"),
            ("log.showRoot", "false"),
        ),
        *(("diff.external", "/bin/false"), ("core.quotePath", "true"), ("log.showSignature", "true")),
        *(("format.pretty", "oneline"), ("color.ui", "always"), ("i18n.logOutputEncoding", "latin1")),
    ):
        repository.git("config", name, value)
    (repository.path / ".git" / "info" / "attributes").write_text("*.json diff=x -text\n")
    repository.git("config", "diff.x.textconv", "/bin/false")
    assert counts(imported("--git", "repository", "data.json")) == (3, 0, 0)
    assert bodies() == [document(), document(a=2), document(a=2, b=2)]


def test_snapshots_name_their_commits(repository: Repository) -> None:
    first = repository.commit(5, {"data.json": b"[1]"}, "Bid naïve café\n\nwith a body\nof two lines")
    second_ = repository.commit(3, {"data.json": b"[2]"})
    imported("--git", "repository", "data.json")
    found = [json.loads(each.metadata or "") for each in stored()]
    assert found == [
        {"commit": first, "author": "Ann Ö <a@example.org>", "message": "Bid naïve café\n\nwith a body\nof two lines"},
        {"commit": second_, "author": "Ann Ö <a@example.org>", "message": "m", "committed_at": second(3)},
    ]


def test_long_messages_are_cut(repository: Repository) -> None:
    repository.commit(1, {"data.json": b"[1]"}, "é" * 30_000)
    assert counts(imported("--git", "repository", "data.json")) == (1, 0, 0)
    assert json.loads(stored()[0].metadata or "")["message"] == "é" * 2000


# Again, with more commits, and other ones


def test_more_commits_and_nothing_twice(repository: Repository) -> None:
    for n, at in enumerate((10, 30, 20, 5)):
        repository.commit(at, {"data.json": b"[%d]" % n})
    imported("--git", "repository", "data.json")
    before = stored()
    repository.commit(6, {"data.json": b"[4]"})
    repository.commit(40, {"data.json": b"[0]"})
    assert counts(imported("--git", "repository", "data.json")) == (2, 4, 0)
    assert stored()[:4] == before
    assert bodies() == [b"[%d]" % n for n in (0, 1, 2, 3, 4, 0)]
    assert counts(imported("--git", "repository", "data.json")) == (0, 6, 0)


def test_a_clock_that_is_years_ahead(repository: Repository) -> None:
    """No snapshot may be in the future; what comes after keeps its own time."""
    repository.commit(10, {"data.json": b"[0]"})
    repository.write({"data.json": b"[1]"})
    environment = {"GIT_COMMITTER_DATE": "2099-01-01T00:00:00Z", "PATH": os.environ["PATH"], "HOME": "/"}
    command = ["git", "-C", str(repository.path), "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "m"]
    subprocess.run(command, env=environment, check=True)
    repository.commit(20, {"data.json": b"[2]"})
    imported("--git", "repository", "data.json")
    assert [(each.captured_at, each.body) for each in stored()] == [
        (second(10), b"[0]"), (second(10.001), b"[1]"), (second(20), b"[2]"),
    ]  # fmt: skip
    assert json.loads(stored()[1].metadata or "")["committed_at"] == "2099-01-01T00:00:00.000Z"


def test_a_history_that_was_rewritten(repository: Repository) -> None:
    """The last snapshot is HEAD's file, always; what was stored before stays."""
    start = repository.commit(1, {"data.json": b"[1]"})
    repository.commit(2, {"data.json": b"[2]"})
    repository.commit(9, {"data.json": b"[3]"})
    imported("--git", "repository", "data.json")
    repository.git("reset", "-q", "--hard", start)
    repository.commit(4, {"data.json": b"[4]"})
    assert counts(imported("--git", "repository", "data.json")) == (1, 1, 0)
    assert bodies() == [b"[1]", b"[2]", b"[3]", b"[4]"]
    repository.git("reset", "-q", "--hard", start)
    assert counts(imported("--git", "repository", "data.json")) == (1, 1, 0)
    assert bodies()[-1] == repository.head() == b"[1]"
    kept = stored()
    assert counts(imported("--git", "repository", "data.json"))[0] == 0
    assert stored() == kept
    repository.commit(5, {"data.json": b"[5]"})
    assert counts(imported("--git", "repository", "data.json"))[0] == 1
    assert bodies()[-1] == b"[5]"


def test_the_same_history_with_other_commits_is_the_same(repository: Repository) -> None:
    for at in (1, 2, 3):
        repository.commit(at, {"data.json": b"[%d]" % at})
    imported("--git", "repository", "data.json")
    repository.git("checkout", "-q", "--orphan", "other")
    repository.git("rm", "-qrf", ".")
    for at in (1, 2, 3):
        repository.commit(at, {"data.json": b"[%d]" % at}, "another message")
    assert counts(imported("--git", "repository", "data.json")) == (0, 3, 0)


# What stands in the file's place, and other things that are not there


def test_a_link_a_directory_and_a_submodule_in_the_files_place(repository: Repository, here: Path) -> None:
    repository.commit(1, {"data.json": b"[1]"})
    (repository.path / "data.json").unlink()
    (repository.path / "data.json").symlink_to("elsewhere.json")
    repository.commit(2, {})
    (repository.path / "data.json").unlink()
    repository.commit(3, {"data.json/data.json": b"[3]"})
    repository.git("rm", "-qr", "data.json")
    repository.commit(4, {"data.json": b"[4]"})
    inner = Repository(here / "inner")
    inner.commit(1, {"x": b"1"})
    repository.git("rm", "-q", "data.json")
    repository.git("submodule", "add", "-q", str(inner.path), "data.json")
    repository.commit(5, {})
    repository.git("rm", "-qf", "data.json")
    (repository.path / "data.json").write_bytes(b"[6]")
    (repository.path / "data.json").chmod(0o755)
    repository.commit(6, {})
    (repository.path / "data.json").chmod(0o644)
    repository.commit(7, {})  # the mode alone: no other version
    result = imported("--git", "repository", "data.json")
    assert counts(result) == (3, 0, 2)
    assert "it is a symbolic link" in result.stderr
    assert "it is a submodule" in result.stderr
    assert bodies() == [b"[1]", b"[4]", b"[6]"]


@pytest.mark.parametrize(
    "name", ["a 'quoted\" name.json", "tab\tname.json", "日本 語.json", "a\\b.json", "x/-y/ z .json"]
)
def test_odd_names(repository: Repository, name: str) -> None:
    repository.commit(1, {name: b"[1]", "other": b"[0]"})
    repository.commit(2, {name: b"[2]"})
    repository.commit(3, {name: None})
    repository.commit(4, {name: b"[1]"})
    assert counts(imported("--git", "--", "repository", name)) == (3, 0, 0)
    assert bodies() == [b"[1]", b"[2]", b"[1]"]


def test_the_callers_git_variables_lead_nowhere_else(
    repository: Repository, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(here / "other")
    other.commit(1, {"data.json": b'"other"'})
    repository.commit(1, {"data.json": b'"mine"'})
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.path / ".git" / "objects"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    imported("--git", "repository", "data.json")
    assert bodies() == [b'"mine"']


# Clones that lack something


def clone(repository: Repository, place: Path, *options: str) -> Path:
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.git("clone", "-q", *options, f"file://{repository.path}", str(place))
    return place


def test_a_partial_clone_is_told_of_and_fetches_nothing(repository: Repository, here: Path) -> None:
    for n in range(12):
        repository.commit(n + 1, {"data.json": b"[%d]" % n})
    place = clone(repository, here / "partial", "--bare", "--filter=blob:none")
    result = imported("--git", str(place), "data.json", code=1)
    assert counts(result) == (0, 0, 0)
    assert "git has no contents for 12 versions (commits " in result.stderr
    assert " and 7 more): the clone is partial or damaged" in result.stderr
    shutil.move(str(repository.path), str(here / "away"))  # nothing could be fetched anyhow
    assert counts(imported("--git", str(place), "data.json", code=1)) == (0, 0, 0)
    shutil.move(str(here / "away"), str(repository.path))
    subprocess.run(["git", "-C", str(place), "fetch", "-q", "--refetch", "--no-filter", "origin"], check=True)
    assert counts(imported("--git", str(place), "data.json")) == (12, 0, 0)


def test_of_a_partial_clone_what_is_there_is_taken(repository: Repository, here: Path) -> None:
    for n in range(6):
        repository.commit(n + 1, {"data.json": json.dumps(["x" * 1000 * (n % 2), n]).encode()})
    place = clone(repository, here / "partial", "--bare", "--filter=blob:limit=500")
    result = imported("--git", str(place), "data.json", code=1)
    assert counts(result) == (3, 0, 0)
    assert "no contents for 3 versions" in result.stderr
    full = clone(repository, here / "full", "--bare")
    assert counts(imported("--git", str(full), "data.json")) == (3, 3, 0)
    assert [json.loads(body)[1] for body in bodies()] == list(range(6))


def test_a_clone_without_directories(repository: Repository, here: Path) -> None:
    repository.commit(1, {"data.json": b"[1]"})
    repository.commit(2, {"data.json": b"[2]"})
    place = clone(repository, here / "treeless", "--bare", "--filter=tree:0")
    assert "clone without that filter" in imported("--git", str(place), "data.json", code=1).stderr


def test_a_shallow_clone_is_told_of(repository: Repository, here: Path) -> None:
    for n in range(5):
        repository.commit(n + 1, {"data.json": b"[%d]" % n})
    place = clone(repository, here / "shallow", "--depth", "2")
    result = imported("--git", str(place), "data.json")
    assert counts(result) == (2, 0, 0)
    assert "the clone is shallow" in result.stderr
    assert "shallow" not in imported("--git", "repository", "data.json").stderr
    assert bodies() == [b"[%d]" % n for n in range(5)]


def test_damaged_and_missing_objects_are_counted(repository: Repository) -> None:
    commits = [repository.commit(n + 1, {"data.json": b"[%d]" % n}) for n in range(6)]
    for n in (1, 3):
        blob = repository.git("rev-parse", f"{commits[n]}:data.json").strip()
        path = repository.path / ".git" / "objects" / blob[:2] / blob[2:]
        path.chmod(0o644)
        path.unlink() if n == 1 else path.write_bytes(b"not zlib")
    result = imported("--git", "repository", "data.json", code=1)
    assert counts(result) == (4, 0, 0)
    assert f"no contents for 2 versions (commits {commits[1][:12]}, {commits[3][:12]})" in result.stderr
    assert bodies() == [b"[0]", b"[2]", b"[4]", b"[5]"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_repository_of_another_user(repository: Repository, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    repository.commit(1, {"data.json": b"[1]"})
    for path in (repository.path, repository.path / ".git"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(here / "none"))
    message = imported("--git", "repository", "data.json", code=1).stderr
    assert f"git config --global --add safe.directory {repository.path}" in message
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    assert counts(imported("--git", "repository", "data.json")) == (1, 0, 0)
