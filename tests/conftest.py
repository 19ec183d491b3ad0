"""What the tests share: a ledger of gradient checks, printed at the end."""
import os
import sys
from pathlib import Path

import pytest

# The tests' arrays are small: threads would spend more time on waiting for
# each other than they save. NumPy, not imported yet, looks at this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ledger = []                   # (elements, largest error) of each gradient
# what the demos share is imported as they do: from common import ...
sys.path.insert(0, str(Path(__file__).parent.parent / "demos"))


@pytest.fixture
def prove():
    """prove(report): the report must be ok; its figures go in the ledger."""
    def prove(report):
        ledger.extend((row.elements, row.error) for row in report.rows)
        assert report.ok, f"\n{report}"
    return prove


def pytest_sessionfinish(session):
    # with -n, tests run in several processes: each sends its part
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["ledger"] = ledger


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    ledger.extend(getattr(node, "workeroutput", {}).get("ledger", []))


def pytest_terminal_summary(terminalreporter):
    if ledger:
        elements, errors = zip(*ledger)
        terminalreporter.section("gradient checks")
        terminalreporter.line(
            f"{len(ledger):,} gradients, {sum(elements):,} elements, each "
            "held against finite differences; largest relative error "
            f"{max(errors):.1e}")
