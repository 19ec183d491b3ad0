"""What the tests share: a ledger of gradient checks, printed at the end."""
import os
import sys
from pathlib import Path

import pytest

# The tests' arrays are small: threads would spend more time on waiting for
# each other than they save. NumPy, not imported yet, looks at this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ledger = []
# what the demos share is imported as they do: from common import ...
sys.path.insert(0, str(Path(__file__).parent.parent / "demos"))


@pytest.fixture
def prove():
    """prove(report): the report must be ok; its figures go in the ledger."""
    def prove(report):
        ledger.extend(report.rows)
        assert report.ok, f"\n{report}"
    return prove


def pytest_terminal_summary(terminalreporter):
    if ledger:
        elements = sum(row.elements for row in ledger)
        worst = max(row.error for row in ledger)
        terminalreporter.section("gradient checks")
        terminalreporter.line(
            f"{len(ledger):,} gradients, {elements:,} elements, each held "
            f"against finite differences; largest relative error {worst:.1e}")
