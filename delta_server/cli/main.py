"""The command line. Commands are imported when they are run, so that `delta-server --help` stays quick."""

import gc
import importlib
import sys

import click

from delta_server import __version__
from delta_server.core.errors import DeltaError
from delta_server.core.nearest import did_you_mean, quoted

COMMANDS = {
    "serve": ("delta_server.cli.serve:serve", "Run the server."),
    "demo": ("delta_server.cli.demo:demo", "Show Delta at work on a small real history, then serve it."),
    "import": ("delta_server.cli.importing:import_", "Load a recorded history: NDJSON, or a file's versions in git."),
    "track": ("delta_server.cli.track:track", "Poll an address from now on, and keep every version."),
    "export": ("delta_server.cli.export:export", "Write an endpoint's history as the NDJSON that import reads."),
    "log": ("delta_server.cli.reading:log", "List what changed in an endpoint, with old and new values."),
    "show": ("delta_server.cli.reading:show", "Print a document: the latest, or as of a time."),
    "diff": ("delta_server.cli.reading:diff", "Show what changed between two moments."),
    "history": ("delta_server.cli.reading:history", "List the values a field had."),
    "blame": ("delta_server.cli.reading:blame", "Tell since when each value of a document is what it is."),
    "datasets": ("delta_server.cli.datasets:datasets", "Compare deliveries of rows: files of any size, in any order."),
    "user": ("delta_server.cli.user:user", "Add, invite, list and change the people who sign in."),
    "setup-link": ("delta_server.cli.user:setup_link", "Print a token that makes the first owner."),
    "project": ("delta_server.cli.project:project", "List, create, rename, delete, restore projects; plans, members."),
    "key": ("delta_server.cli.key:key", "Create, list and revoke API keys."),
    "audit": ("delta_server.cli.audit:audit", "Show who did what, when, from where."),
    "export-project": ("delta_server.cli.moving:export_project", "Write a project to one file, for another server."),
    "import-project": ("delta_server.cli.moving:import_project", "Make a project of such a file."),
    "pack": ("delta_server.cli.contents:pack", "Pack stored contents now, as the background would."),
    "verify": ("delta_server.cli.contents:verify", "Read all that is stored and check every hash."),
    "verify-table": (
        "delta_server.cli.tables:verify_table",
        "Make a training table again by its manifest.",
    ),
    "doctor": ("delta_server.cli.doctor:doctor", "Look at what the server stands on; say what to do."),
    "healthcheck": ("delta_server.cli.healthcheck:healthcheck", "Ask the running server whether it is well."),
    "cold": ("delta_server.cli.cold:cold", "Show and move what is in cold storage."),
    "backup": ("delta_server.cli.backup:backup", "Write all that is stored to one file, while the server runs."),
    "restore": ("delta_server.cli.backup:restore", "Make a backup the database of a data directory."),
    "events": ("delta_server.cli.events:events", "Count, seal and merge stored events."),
    "config": ("delta_server.cli.config:config", "Show the configuration."),
    "openapi": ("delta_server.cli.openapi:openapi", "Print the API's description, for generators of clients."),
    "version": ("delta_server.cli.config:version", "Print the version."),
}
"""Command -> where its function is, and its line in the help."""


class Commands(click.Group):
    """A group whose commands are the table above; DeltaErrors end as their message and exit code 1."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, function = COMMANDS[name][0].partition(":")
        _import_structlog()
        command: click.Command = getattr(importlib.import_module(module), function)
        gc.freeze()  # what was imported becomes old without a look through it, which would take 50 ms of each start
        gc.unfreeze()
        gc.enable()  # as it was before `delta_server.__main__`
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {quoted(args[0])}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except DeltaError as error:
            raise click.ClickException(error.message) from error


def _import_structlog() -> None:
    """Without rich, which it brings to colour the tracebacks of those who ask it to: 3.5 MB of each server."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # as importlib has it of what is not to be found
    try:
        import structlog  # noqa: F401 - for its effect
    finally:
        del sys.modules["rich"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="delta-server")
def cli() -> None:
    """Delta keeps the history of your data: snapshots of JSON documents, and exactly what changed between any two."""


def run() -> None:
    cli(prog_name="delta-server")
