import re
from xml.etree import ElementTree

import pytest

from demo.sinks.charts import age_bars, faces_curve, presence_bars


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize(
    ("most", "numbers"),
    [(1, ["0", "1"]), (5, list("012345")), (11, ["0", "3", "6", "9", "12"])],
)
def test_the_axis_of_counts_reaches_above_the_most(most, numbers):
    svg = faces_curve({"width": 1, "most": [0, most], "mean": [0.0, most / 2]}, 2.0)
    assert texts(svg)[3:] == numbers
    highest = min(float(y) for y in re.findall(r'y1="([\d.]+)" y2="\1"', svg))
    (points,) = re.findall(r'points="(.*?)"', svg)
    assert min(float(pair.split()[1]) for pair in re.findall(r"\S+ \S+", points)) >= highest


@pytest.mark.parametrize(
    ("seconds", "last", "count"), [(3, "0:03", 4), (61, "1:00", 7), (90_000, "24:00:00", 5)]
)
def test_the_axis_of_time_has_round_times(seconds, last, count):
    times = texts(presence_bars([], seconds))
    assert (times[0], times[-1], len(times)) == ("0:00", last, count)


def test_a_short_time_in_view_is_still_a_bar():
    person = {"id": 3, "gender": "male", "age": 30.2, "spans": [[5.0, 5.01]]}
    svg = presence_bars([person], 3600.0)
    assert texts(svg)[-1] == "3 · male, 30"
    (bar,) = ElementTree.fromstring(svg).iter("rect")
    assert float(bar.attrib["width"]) == 2.0
    assert bar.find("title").text == "3: 0:05 to 0:05"


def test_only_genders_that_occur_have_bars():
    ages = {"from": [0, 10], "female": [0, 0], "male": [2, 0], "unknown": [0, 1]}
    bars = list(ElementTree.fromstring(age_bars(ages)).iter("rect"))
    assert [bar.get("class") for bar in bars] == ["male", "unknown", "male", "unknown"]
    assert [bar.find("title").text for bar in bars] == [
        "male, 0–9: 2",
        "unknown, 0–9: 0",
        "male, 10+: 0",
        "unknown, 10+: 1",
    ]
