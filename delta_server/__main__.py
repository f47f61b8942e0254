"""`python -m delta_server` and the `delta-server` command."""

import gc
import importlib
import multiprocessing
import sys

WORKERS = {
    "backup-verifier": "delta_server.storage.backup_verifier",
    "backup-worker": "delta_server.storage.backup_worker",
    "event-query-worker": "delta_server.storage.events.query.worker",
    "feature-worker": "delta_server.tasks.feature_worker",
    "pure-worker": "delta_server.tasks.pure_worker",
    "query-worker": "delta_server.storage.events.sql.worker",
    "rowdelta-worker": "delta_server.tasks.rowdelta_worker",
    "rows-worker": "delta_server.storage.rowdelta.assistant",
    "table-worker": "delta_server.tasks.table_worker",
}
"""First argument of a process that the server starts -> the module whose `main` it runs."""
WITH_ARGUMENTS = ("backup-verifier", "backup-worker")
"""Those whose `main` takes the arguments behind it."""


def main() -> None:
    multiprocessing.freeze_support()  # first: a child process of the frozen executable must not start a second server
    gc.disable()  # until all is imported, of which nothing is garbage: looking for it takes a tenth of each start
    if sys.argv[1:] in (["query-worker"], ["pure-worker"], ["pure-worker", "soon"], ["event-query-worker", "behind"]):
        from delta_server.storage.priority import NICENESS, SOON, lower_priority

        # before the imports, which take as long as many a question
        lower_priority(SOON if sys.argv[2:] == ["soon"] else NICENESS)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in WORKERS:
        worker = importlib.import_module(WORKERS[name])
        gc.enable()
        worker.main(*(sys.argv[2:] if name in WITH_ARGUMENTS else ()))
        return
    from delta_server.cli.main import run

    run()


if __name__ == "__main__":
    main()
