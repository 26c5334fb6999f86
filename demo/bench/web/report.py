"""The figures of serving beside the values that they should keep."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One figure and its limit."""

    name: str
    value: float
    limit: float
    unit: str
    least: bool = False  # the limit is the least, not the most

    @property
    def kept(self) -> bool:
        """Whether the limit is kept."""
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        bound = "at least" if self.least else "at most"
        mark = "" if self.kept else "  MISSED"
        shown = f"{_rounded(self.value)} {self.unit}"
        return f"{self.name:<46}{shown:>18}   {bound} {_rounded(self.limit)}{mark}"


LIMITS = {  # by size: ms to the page, and shares of its frames that a run may lose to one viewer
    "640x480": (60.0, 0.10),
    "1920x1080": (150.0, 0.25),
}
NOBODY_LOSS, FIVE_TO_ONE = 0.01, 1.3
SLOW_MS, CAMERA_ANSWERS = 300.0, 18.0


def judged(report: dict[str, Any]) -> Iterator[Figure]:
    """The figures that have a limit."""
    for size, each in report["sizes"].items():
        most_ms, most_loss = LIMITS[size]
        yield Figure(f"{size}: capture to page, p95", each["page"]["p95_ms"], most_ms, "ms")
        for kind, viewers, loss in (
            ("viewers_0", "no viewer", NOBODY_LOSS),
            ("viewers_1", "one viewer", most_loss),
        ):
            lost = 1 - each["run"][kind]["part_of_plain"]
            name = f"{size}: frames a second lost, {viewers}"
            yield Figure(name, 100 * lost, 100 * loss, "%")
        name = f"{size}: processor time, five viewers to one"
        yield Figure(name, each["five_to_one_cpu"], FIVE_TO_ONE, "times")
    slow = report["slow_link"]
    name = f"link of {slow['bytes_per_second'] / 1e6:g} MB/s: to page, p95"
    yield Figure(name, slow["p95_ms"], SLOW_MS, "ms")
    answers = report["camera"]["answers_per_second"]
    yield Figure("own camera: answers", answers, CAMERA_ANSWERS, "a second", least=True)


def text(report: dict[str, Any]) -> str:
    """The report for people."""
    rows = [f"{report['clip']} on {report['machine']}"]
    for size, each in report["sizes"].items():
        rows += [f"{size} at {each['fps']:g} fps", _page_line(each["page"])]
        rows += [_run_line(kind, run) for kind, run in each["run"].items()]
    rows += ["on the slow link", _page_line(report["slow_link"])]
    return "\n".join([*rows, "", *map(str, judged(report))])


def _page_line(page: dict[str, Any]) -> str:
    return (
        f"  capture to page {page['p50_ms']:.0f} ms, p95 {page['p95_ms']:.0f} ms; "
        f"{page['pictures_per_second']:.1f} pictures a second, {page['picture_width']:.0f} pixels "
        f"wide; {page['frames']} of {page['due']} frames analyzed"
    )


def _run_line(kind: str, run: dict[str, Any]) -> str:
    _, _, count = kind.partition("_")
    name = f"{count} viewers" if count else "not served"
    return (
        f"  {name:<12}{run['fps']:>7.1f} frames a second, {run['part_of_plain']:.2f} of the run "
        f"without a server, {run['cpu_ms']:.1f} ms of processor time each"
    )


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
