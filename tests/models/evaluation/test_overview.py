import json

import pytest

from models import bench, overview
from models.evaluation import results_table
from models.files import ROOT
from models.manifest import load_manifest
from models.zoo import NETWORKS


@pytest.fixture(scope="module")
def table() -> list[list[str]]:
    lines = overview.overview(results_table.RESULTS).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_network_has_its_line_smallest_first(table):
    assert {row[0].strip("`") for row in table[2:]} == set(NETWORKS)
    counts = [int(row[2].replace(",", "")) for row in table[2:]]
    assert counts == sorted(counts)
    assert next(row for row in table if row[0] == "`ssrnet-joint`")[1:3] == ["64 px", "45,014"]
    assert next(row for row in table if row[0] == "`c3ae`")[1] == "3 × 64 px"


def test_a_readme_has_the_table_as_it_is_printed(table):
    text = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    assert overview.overview(results_table.RESULTS) in text


def test_an_error_that_was_not_measured_is_a_dash(tmp_path):
    key = {"model": "ssrnet-joint", "data": "aaf.zip", "split": "test"}
    weights = results_table.weights_of(load_manifest("ssrnet-joint"))
    row = {"mae": 5.5, "gender_accuracy": None, **weights}
    results_table.write(tmp_path / "evaluation.csv", key, [row])
    line = "| `ssrnet-joint` | 64 px | 45,014 | - | - | - | 5.50 | - | - | - |"
    assert line in overview.overview(tmp_path).splitlines()


def test_operations_of_ssrnet_are_those_of_its_layers():
    # conv 3x3 of both streams: Σ 2·9·c_in·c_out·side², on sides 62, 29, 12, 4; then taps and heads
    convs = sum(
        2 * 9 * c_in * c_out * side**2
        for c_in, c_out, side in [
            *[(3, 32, 62), (32, 32, 29), (32, 32, 12), (32, 32, 4)],
            *[(3, 16, 62), (16, 16, 29), (16, 16, 12), (16, 16, 4)],
        ]
    )
    found = bench.operations(load_manifest("ssrnet-joint").file("onnx"))
    assert convs < found < 1.1 * convs


def test_the_bench_keeps_its_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "best_seconds", lambda work, repeats=1: 0.002)
    assert bench.main(["ssrnet-joint", "--json", "--save", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["batches"][0]["ms"] == pytest.approx(2.0)
    (row,) = results_table.read(tmp_path / "speed.csv")
    assert (row["model"], row["ms_1"], row["ms_8"]) == ("ssrnet-joint", "2.0", "2.0")


def test_an_unknown_name_is_refused_in_one_line(capsys):
    assert bench.main(["resnet"]) == 2
    assert capsys.readouterr().err.startswith("models.bench: unknown model 'resnet'")
