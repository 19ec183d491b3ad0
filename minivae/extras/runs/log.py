"""A run's log: one row for each epoch, as a CSV file."""
import csv
import io
from pathlib import Path

from ...files import write_file

LOG_COLUMNS = ("epoch", "step", "train_loss", "test_elbo", "seconds")


def write_log(path: str | Path, log: list[dict]) -> None:
    """Write log, one dict of LOG_COLUMNS per epoch, as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    write_file(path, text.getvalue().encode())
