import csv

from models.evaluation.results_table import read, write


def test_a_table_keeps_names_that_a_spreadsheet_would_run_or_that_are_no_text(tmp_path):
    path, key = tmp_path / "t.csv", {"data": "=1+1.zip"}
    write(path, key, [{"name": "M\udcfcller", "bias": -0.5}])
    write(path, {"data": "b"}, [{"name": "-x", "bias": 1}])
    write(path, key, [{"name": "new", "bias": -0.25}])
    assert read(path) == [
        {"data": "=1+1.zip", "name": "new", "bias": "-0.25"},
        {"data": "b", "name": "-x", "bias": "1"},
    ]
    with path.open(newline="") as file:
        assert [row["data"] for row in csv.DictReader(file)] == ["'=1+1.zip", "b"]
