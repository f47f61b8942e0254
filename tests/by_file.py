"""With `--dist loadfile` a worker reads a file of tests when its turn comes: each read all of them before, 13 s of
processor time, to run a part. Workers are handed files as if each were one test, and report those inside.

Of what passes they tell the result alone, where nobody asks for more: six messages a test took as long as small tests.
Names of tests, `-k`, `-m` and what picks tests by earlier runs have all files read first.
"""

import gc
from collections.abc import Callable, Generator
from typing import Any

import pytest

_OF_RUN = "delta_by_file"
_PICKING = ("keyword", "markexpr", "deselect", "lf", "failedfirst", "newfirst", "stepwise", "collectonly")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the process that hands out: what workers are to know."""
    node.workerinput[_OF_RUN] = is_for(node.config)
    terminal = node.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and node.workerinput[_OF_RUN]:
        terminal._progress_nodeids_reported = _Files()  # of as many as were handed out


def is_for(config: pytest.Config) -> bool:
    options = config.option
    return options.dist == "loadfile" and not any(
        [getattr(options, each, None) for each in _PICKING] + ["::" in arg for arg in config.args]
    )


def _is_on(config: pytest.Config) -> bool:
    return bool(getattr(config, "workerinput", {}).get(_OF_RUN))


class FileOfTests(pytest.Item):
    """Stands for the tests of a file until they are run."""

    def __init__(self, *, module: pytest.Collector, **of_node: Any) -> None:
        super().__init__(**of_node)
        self.module = module

    def runtest(self) -> None:
        raise NotImplementedError("its tests are run one by one")

    def _read(self) -> list[pytest.Item]:
        """What is read stays, and is not looked through for garbage, as that of the file before has been."""
        gc.collect()
        gc.disable()
        tests = list(self.session.genitems(self.module))
        self.session._collection_cache.clear()  # which would keep them
        gc.freeze()
        gc.enable()
        self.config.hook.pytest_collection_modifyitems(session=self.session, config=self.config, items=tests)
        return tests

    def run(self, after: pytest.Item | None) -> None:
        session = self.session
        place = session.items.index(self)
        tests = self._read()
        for test, then in zip(tests, [*tests[1:], after], strict=False):
            session.items[place] = test  # xdist looks there whose report it is
            self.config.hook.pytest_runtest_protocol(item=test, nextitem=then)
            if session.shouldfail or session.shouldstop:
                break
        session.items[place] = self
        if not tests:  # what the file before has left for this one
            session._setupstate.teardown_exact(after)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(parent: pytest.Collector) -> Generator[None, list[pytest.Collector], list[Any]]:
    found = yield
    if not _is_on(parent.config):
        return found
    return [
        FileOfTests.from_parent(parent, name=each.name, nodeid=each.nodeid, path=each.path, module=each)
        for each in found
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if not isinstance(item, FileOfTests):
        return None
    item.run(nextitem)
    return True


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if _is_on(config) and not (config.option.verbose > 0 or config.option.durations or config.option.xmlpath):
        for plugin in config.pluginmanager.get_plugins():
            if hasattr(plugin, "sendevent"):
                plugin.sendevent = _results_of(plugin.sendevent)


def _results_of(send: Callable[..., None]) -> Callable[..., None]:
    def send_results(name: str, **of_event: Any) -> None:
        report = of_event.get("data", {})
        is_mere_step = report.get("outcome") == "passed" and report.get("when") != "call"
        if name not in ("logstart", "logfinish") and not (name == "testreport" and is_mere_step):
            send(name, **of_event)

    return send_results


class _Files(set[str]):
    def add(self, test: object) -> None:
        super().add(str(test).partition("::")[0])
