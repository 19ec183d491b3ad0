"""A run's log can be read again."""
import csv

from minivae.extras.runs.log import LOG_COLUMNS, write_log


def test_the_log_is_a_csv_file(tmp_path):
    row = dict(zip(LOG_COLUMNS, (1, 1875, 250.5, -224.25, 30.125)))
    write_log(str(tmp_path / "log.csv"), [row, row])
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,train_loss,test_elbo,seconds"
    with open(tmp_path / "log.csv", newline="") as file:
        back = [{k: float(v) for k, v in r.items()}
                for r in csv.DictReader(file)]
    assert back == [row, row]
