import pytest

from demo.sinks.histograms import AgeHistogram, TimeHistogram


@pytest.mark.parametrize("scale", [0.1, 1.0, 300.0])
def test_percentiles_are_exact_within_four_percent(scale):
    times = TimeHistogram()
    for milliseconds in [10.0] * 90 + [200.0] * 10:
        times.add(scale * milliseconds)
    assert times.percentile(50) == pytest.approx(scale * 10, rel=0.04)
    assert times.percentile(90) == pytest.approx(scale * 10, rel=0.04)
    assert times.percentile(95) == pytest.approx(scale * 200, rel=0.04)


def test_times_beyond_the_bins_count_for_the_last_one():
    times = TimeHistogram()
    times.add(1e9)
    assert times.record() == {"p50": 100_000.0, "p95": 100_000.0}


def test_an_empty_histogram_is_false_and_zero():
    times = TimeHistogram()
    assert not times
    assert times.record() == {"p50": 0.0, "p95": 0.0}


def test_people_are_counted_by_decade_and_the_last_band_has_no_end():
    ages = AgeHistogram()
    for gender, age in [("female", 9.99), ("female", 10.0), ("male", 104.0), ("unknown", None)]:
        ages.add(gender, age)
    assert ages.record() == {
        "from": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90],
        "female": [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        "male": [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        "unknown": [0] * 10,
    }
