"""What the tests share: a ledger of gradient checks, printed at the end.

And few images, for demos that would look at all.
"""
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


@pytest.fixture
def few_images(monkeypatch):
    """Let the demos of minivae/beyond have 640 images to train, 300 to test.

    Returns what they load: {"mnist": load, "fashion": load}.
    """
    from minivae.beyond.classifier import LOADERS

    def few_of(data):
        known = [i for i, at in enumerate(data.grey_index) if at < 300]
        known = (100 * known)[:len(data.grey_index)]
        return data._replace(
            train_images=data.train_images[:640],
            train_labels=data.train_labels[:640],
            test_images=data.test_images[:300],
            test_labels=data.test_labels[:300],
            grey=data.grey[known], grey_index=data.grey_index[known])
    for name, load in list(LOADERS.items()):
        monkeypatch.setitem(LOADERS, name, lambda load=load: few_of(load()))
    return LOADERS


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
