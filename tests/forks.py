"""`pytest --forks 3` shares out whole files among three copies (fork) of the process that has read them all.

Processes that each read the files anew, as pytest-xdist's do, take 12 s of processor time each before their first
test. A copy looks to plugins as one of pytest-xdist's does. It takes the next file, in the order of all, before it runs
the last test of one: what serves a whole run, such as a browser, stays. Here it is said what came of the tests.
"""

import atexit
import os
import random
import sys
import threading
import traceback
import warnings
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn

import pytest
from _pytest.config import create_terminal_writer

_INDEX_BYTES = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forks", type=int, default=0, help="share out files of tests among so many copies (tests/forks.py)"
    )


def wanted(config: pytest.Config) -> bool:
    return config.getoption("forks") > 0 and not config.option.collectonly


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if not wanted(session.config) or session.testsfailed:
        return None
    _run(session, session.config.getoption("forks"))
    return True


def _run(session: pytest.Session, copies: int) -> None:
    files = [list(items) for _, items in groupby(session.items, lambda item: item.nodeid.partition("::")[0])]
    queue = _Queue(len(files))
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # every copy has a folder there
    capture = session.config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    sys.stdout.flush()
    sys.stderr.flush()
    running: dict[Connection, tuple[int, int]] = {}
    for number in range(copies):
        theirs, ours = Pipe(duplex=False)
        pid = os.fork()
        if not pid:
            theirs.close()
            _be_a_copy(session, number, files, queue, ours)
        ours.close()
        running[theirs] = pid, -1
    capture.start_global_capturing()
    capture.suspend_global_capture(in_=False)
    try:
        _hear(session, files, queue, running)
    finally:
        for pid, _ in running.values():
            os.kill(pid, 15)


def _hear(
    session: pytest.Session, files: list[list[pytest.Item]], queue: "_Queue", running: dict[Connection, tuple[int, int]]
) -> None:
    hook, died = session.config.hook, []
    while running:
        for told in wait(list(running)):
            assert isinstance(told, Connection)
            pid, file = running[told]
            try:
                kind, value = told.recv()
            except EOFError:
                del running[told]
                if status := os.waitpid(pid, 0)[1]:
                    died.append(f"{files[file][0].nodeid.partition('::')[0]}: {os.waitstatus_to_exitcode(status)}")
                continue
            if kind == "file":
                running[told] = pid, value
            elif kind == "report":
                report = hook.pytest_report_from_serializable(config=session.config, data=value)
                hook.pytest_runtest_logreport(report=report)
            else:
                hook.pytest_warning_recorded.call_historic(kwargs=value)
            if session.shouldfail or session.shouldstop:
                queue.empty()
    if died:
        session.shouldfail = f"copies ended in the middle of these files, with these codes: {', '.join(died)}"
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


class _Queue:
    """Numbers of files, each of which one copy gets: a pipe, as all are written before the first is read."""

    def __init__(self, count: int) -> None:
        self._read, write = os.pipe()
        os.write(write, b"".join(number.to_bytes(_INDEX_BYTES) for number in range(count)))
        os.close(write)

    def take(self) -> int | None:
        taken = os.read(self._read, _INDEX_BYTES)
        return int.from_bytes(taken) if taken else None

    def empty(self) -> None:
        while self.take() is not None:
            pass


class _Reporting:
    """In a copy, in place of the terminal, to which only the stacks of a test go that took too long."""

    def __init__(self, config: pytest.Config, to: Connection) -> None:
        self._config, self._to = config, to
        self._tw = create_terminal_writer(config, os.fdopen(os.dup(2), "w"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._to.send(("report", data))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: Any
    ) -> None:
        warning_message.message = str(warning_message.message)
        warning_message.source = None
        told = {"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location}
        self._to.send(("warning", told))


def _be_a_copy(
    session: pytest.Session, number: int, files: list[list[pytest.Item]], queue: _Queue, to: Connection
) -> NoReturn:
    code = 1
    try:
        config: Any = session.config
        config.workerinput = {"workerid": f"gw{number}"}
        config._tmp_path_factory._basetemp /= f"gw{number}"
        config._tmp_path_factory._basetemp.mkdir(mode=0o700)
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(_Reporting(config, to), "terminalreporter")
        config.pluginmanager.getplugin("capturemanager").start_global_capturing()
        random.seed()
        _run_files(session, files, queue, to)
        config.hook.pytest_sessionfinish(session=session, exitstatus=int(session.testsfailed > 0))
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python's end does, and has no public name
        atexit._run_exitfuncs()
        code = 0
    except BaseException:
        session.config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
        traceback.print_exc()
    finally:
        os._exit(code)


def _run_files(session: pytest.Session, files: list[list[pytest.Item]], queue: _Queue, to: Connection) -> None:
    file = queue.take()
    while file is not None:
        to.send(("file", file))
        *all_but_last, last = files[file]
        for item, following in zip(all_but_last, files[file][1:], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        file = queue.take()
        last.config.hook.pytest_runtest_protocol(item=last, nextitem=None if file is None else files[file][0])
