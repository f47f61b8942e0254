"""`python -m delta_server` and the `delta-server` command."""

import gc
import multiprocessing
import sys


def main() -> None:
    multiprocessing.freeze_support()  # first: a child process of the frozen executable must not start a second server
    gc.disable()  # until all is imported, of which nothing is garbage: looking for it takes a tenth of each start
    if sys.argv[1:] in (["query-worker"], ["pure-worker"], ["event-query-worker", "behind"]):
        from delta_server.storage.priority import lower_priority

        lower_priority()  # before the imports, which take as long as many a question
    if sys.argv[1:] == ["query-worker"]:  # started by storage/events/sql/runner.py
        from delta_server.storage.events.sql import worker

        gc.enable()
        worker.main()
    elif sys.argv[1:2] == ["event-query-worker"]:  # started by storage/events/query/processes.py
        from delta_server.storage.events.query import worker as query_worker

        gc.enable()
        query_worker.main()
    elif sys.argv[1:] == ["pure-worker"]:  # started by tasks/processes.py
        from delta_server.tasks import pure_worker

        gc.enable()
        pure_worker.main()
    elif sys.argv[1:] == ["rowdelta-worker"]:  # started by tasks/row_comparisons.py
        from delta_server.tasks import rowdelta_worker

        gc.enable()
        rowdelta_worker.main()
    elif sys.argv[1:] == ["table-worker"]:  # started by tasks/table_making.py
        from delta_server.tasks import table_worker

        gc.enable()
        table_worker.main()
    elif sys.argv[1:2] == ["backup-worker"]:  # started by storage/backup_stream.py
        from delta_server.storage import backup_worker

        gc.enable()
        backup_worker.main(*sys.argv[2:])
    elif sys.argv[1:] == ["rows-worker"]:  # started by storage/rowdelta/assistant.py
        from delta_server.storage.rowdelta import assistant

        gc.enable()
        assistant.main()
    else:
        from delta_server.cli.main import run

        run()


if __name__ == "__main__":
    main()
