"""With NO_SKIPS, as .ci/run sets it, a test that is skipped fails, unless somebody has to ask for it: what a
machine lacks must not pass for proof."""

import os
import re
from collections.abc import Generator

import pytest

ASKED_FOR = re.compile(r"DELTA_LONG=1|make soak|a text is that text|for root alone|only root")
"""Or is who runs it no lack of the machine."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and "NO_SKIPS" in os.environ and not ASKED_FOR.search(report.longreprtext):
        report.outcome = "failed"
        report.longrepr = f"skipped, which NO_SKIPS forbids: {report.longrepr}"
    return report
