"""The plots of a summary's page, as inline SVG."""

from collections.abc import Iterator, Sequence
from typing import Any

from demo.sinks.words import AGE_BAR_YEARS, GENDERS, clock, person_text

CHART_WIDTH, CHART_HEIGHT = 960, 180  # pixels; presence bars are as high as their rows
LEFT, RIGHT, TOP, AXIS = 120, 34, 16, 26  # pixels: margins, and the height of the axis below
ROW = 22  # pixels, of a presence bar
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
MAX_TIME_LINES, MAX_COUNT_LINES, MAX_CUT_LINES = 10, 5, 200


def presence_bars(people: list[dict[str, Any]], seconds: float, cuts: Sequence[float] = ()) -> str:
    """One row per person, a bar for each time in view, and a dashed line for each cut."""
    bottom = ROW * len(people)
    parts = [*_time_axis(seconds, bottom), *_cut_lines(cuts, seconds, bottom)]
    for row, person in enumerate(people):
        top = ROW * row
        parts.append(_text(LEFT - 10, top + 15, f"{person['id']} · {person_text(person)}", "end"))
        for start, end in person["spans"]:
            x = _x(start, seconds)
            width = max(_x(end, seconds) - x, 2.0)
            parts.append(
                f'<rect class="{person["gender"]}" x="{x:.1f}" y="{top + 4}" width="{width:.1f}" '
                f'height="{ROW - 8}" rx="3"><title>{person["id"]}: {clock(start)} to {clock(end)}'
                "</title></rect>"
            )
    return _svg(bottom + AXIS, parts)


def faces_curve(over_time: dict[str, Any], seconds: float) -> str:
    """The mean number of faces as an area, the most at once as a line of steps."""
    width, most, means = over_time["width"], over_time["most"], over_time["mean"]
    high = _axis_end(max([1, *most]))
    parts = [*_time_axis(seconds, CHART_HEIGHT), *_count_axis(high)]
    area, steps = [f"M{LEFT} {CHART_HEIGHT}"], []
    for piece, (mean, peak) in enumerate(zip(means, most, strict=True)):
        ends = [_x(min(t * width, seconds), seconds) for t in (piece, piece + 1)]
        area += [f"L{x:.1f} {_y(mean, high):.1f}" for x in ends]
        steps += [f"{x:.1f} {_y(peak, high):.1f}" for x in ends]
    area.append(f"L{_x(seconds, seconds):.1f} {CHART_HEIGHT}Z")
    parts.append(f'<path d="{"".join(area)}" fill="var(--area)" opacity="0.35"/>')
    parts.append(
        f'<polyline points="{" ".join(steps)}" fill="none" stroke="var(--area)" stroke-width="2"/>'
    )
    return _svg(CHART_HEIGHT + AXIS, parts)


def age_bars(ages: dict[str, list[int]]) -> str:
    """People by decade of age, a bar for each gender that occurs."""
    genders = [gender for gender in GENDERS if sum(ages[gender])]
    high = _axis_end(max(max(ages[gender]) for gender in genders))
    slot = (CHART_WIDTH - LEFT - RIGHT) / len(ages["from"])
    bar = slot * 0.8 / len(genders)
    parts = list(_count_axis(high))
    for k, start in enumerate(ages["from"]):
        left = LEFT + slot * (k + 0.1)
        last = k + 1 == len(ages["from"])
        name = f"{start}+" if last else f"{start}–{start + AGE_BAR_YEARS - 1}"
        parts.append(_text(left + slot * 0.4, CHART_HEIGHT + 17, name, "middle", soft=True))
        for place, gender in enumerate(genders):
            number = ages[gender][k]
            top = _y(number, high)
            parts.append(
                f'<rect class="{gender}" x="{left + bar * place:.1f}" y="{top:.1f}" '
                f'width="{bar - 2:.1f}" height="{CHART_HEIGHT - top:.1f}" rx="2">'
                f"<title>{gender}, {name}: {number}</title></rect>"
            )
    return _svg(CHART_HEIGHT + AXIS, parts)


def _svg(height: float, parts: list[str]) -> str:
    size = f"0 0 {CHART_WIDTH} {height:.0f}"
    return f'<svg viewBox="{size}" role="img">' + "\n".join(parts) + "</svg>"


def _text(x: float, y: float, text: str, anchor: str, soft: bool = False) -> str:
    kind = ' class="soft"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{text}</text>'


def _x(second: float, seconds: float) -> float:
    return LEFT + (CHART_WIDTH - LEFT - RIGHT) * second / max(seconds, 1e-3)


def _y(value: float, high: float) -> float:
    return CHART_HEIGHT - (CHART_HEIGHT - TOP) * value / high


def _time_axis(seconds: float, bottom: float) -> Iterator[str]:
    """Vertical lines at round times, with the times below."""
    step = next((t for t in TIME_STEPS if seconds / t <= MAX_TIME_LINES), int(seconds / 10))
    for second in range(0, int(seconds) + 1, step):
        x = _x(second, seconds)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
        yield _text(x, bottom + 17, clock(second), "middle", soft=True)


def _cut_lines(cuts: Sequence[float], seconds: float, bottom: float) -> Iterator[str]:
    """Dashed vertical lines at the cuts; none where they would be a gray area."""
    if len(cuts) > MAX_CUT_LINES:
        return
    for second in cuts:
        x = _x(second, seconds)
        yield (
            f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}">'
            f"<title>cut at {clock(second)}</title></line>"
        )


def _count_step(high: int) -> int:
    return -(-high // MAX_COUNT_LINES)


def _axis_end(high: int) -> int:
    """The number at the upper end of an axis that has room for `high`."""
    step = _count_step(high)
    return -(-high // step) * step


def _count_axis(high: int) -> Iterator[str]:
    """Horizontal lines at whole numbers from 0 to `high`."""
    for number in range(0, high + 1, _count_step(high)):
        y = _y(number, high)
        yield f'<line x1="{LEFT}" x2="{CHART_WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 10, y + 4, str(number), "end", soft=True)
