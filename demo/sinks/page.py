"""A session's summary as one HTML page: everything is in it, plots are inline SVG."""

from collections.abc import Iterator
from html import escape
from typing import Any

from demo.sinks.summary import AGES, GENDERS, clock, named

MOST_BARS = 60  # people with a bar of their own: those longest in view; a table lists all
LEFT, RIGHT, WIDTH = 120, 34, 960  # pixels, of every plot
ROW, AXIS, HEIGHT = 22, 26, 180
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)

STYLE = """
:root { --ink: #1d2433; --soft: #687083; --line: #e3e6ec; --card: #fff; --ground: #f5f6f9;
  --female: #c2578f; --male: #3b78c4; --unknown: #9aa1ae; --area: #2a9d8f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf2; --soft: #9aa3b5; --line: #333a48;
  --card: #1e2430; --ground: #151a23; --female: #e084b4; --male: #6ea5ea; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
main { max-width: 1040px; margin: 0 auto; padding: 32px 16px 48px }
h1 { font-size: 26px; margin: 0 0 2px } h2 { font-size: 16px; margin: 0 0 12px }
.soft, .soft * { color: var(--soft); fill: var(--soft) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin-top: 18px }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin-top: 20px }
.cards div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 16px }
.cards b { display: block; font-size: 25px; line-height: 1.25 }
svg { width: 100%; height: auto; display: block } svg text { font-size: 12px; fill: var(--ink) }
line { stroke: var(--line) }
.female { fill: var(--female) } .male { fill: var(--male) } .unknown { fill: var(--unknown) }
.key span { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
  margin: 0 5px 0 14px } .key { float: right; font-weight: 400; font-size: 13px }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: var(--soft);
  font-weight: 500 } td, th { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line) }
td, th { font-variant-numeric: tabular-nums }
""".strip()


def page(record: dict[str, Any]) -> str:
    """The page for what `Summary.record` tells."""
    people, seconds = record["people"], record["seconds"]
    longest = sorted(people, key=lambda person: -person["seconds"])[:MOST_BARS]
    shown = [person for person in people if person in longest]
    sections = [_section(f"Ages{_key()}", _histogram(record["ages"]))] if _any(record) else []
    if seconds:
        over_time = record["faces_over_time"]
        title = f"Faces in view{_note(_most(over_time))}"
        sections.insert(0, _section(title, _curve(over_time, seconds)))
    if shown:
        some = _note(f"the {len(shown)} longest") if record["people_seen"] > len(shown) else ""
        for place, (source, theirs) in enumerate(_by_source(shown)):
            title = f"Who was in view when{source}{some}{_key()}"
            sections.insert(place, _section(title, _bars(theirs, seconds)))
        some = _note(f"the {len(people)} longest") if record["people_seen"] > len(people) else ""
        for source, theirs in _by_source(people):
            sections.append(_section(f"People{source}{some}", _table(theirs)))
    name = escape(record["source"])
    started = escape(record["started"].replace("T", " "))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name} - AgeStream'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{STYLE}\n</style></head>\n<body><main>\n<h1>{name}</h1>\n"
        f'<div class="soft">AgeStream session, started {started}</div>\n'
        f"{_cards(record)}\n" + "\n".join(sections) + "\n</main></body></html>\n"
    )


def _by_source(people: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The people of each source, and a note that names it where there are several: each source has
    ids of its own."""
    sources = dict.fromkeys(person["source"] for person in people)
    return [
        (
            _note(escape(source)) if len(sources) > 1 else "",
            [person for person in people if person["source"] == source],
        )
        for source in sources
    ]


def _cards(record: dict[str, Any]) -> str:
    delays = record["delay_ms"]
    figures = [(str(record["people_seen"]), f"{named(record['people_seen'], 'person')} seen")]
    if record["seconds"]:
        figures += [(clock(record["seconds"]), "watched")]
    if record["busiest"]:
        first = record["busiest"][0]
        moment = f"most at once, at {clock(first['from'])}"
        figures += [(str(first["faces"]), moment)]
    seen = named(record["frames"], "photo" if record["photos"] else "frame")
    if not record["photos"]:
        seen += f", {record['dropped'] or 'none'} dropped"
    figures += [
        (str(record["frames"]), seen),
        (f"{delays['p50']:.0f} ms", f"delay, 95 % within {delays['p95']:.0f} ms"),
    ]
    cards = "".join(
        f'<div><b>{value}</b><span class="soft">{of}</span></div>' for value, of in figures
    )
    return f'<div class="cards">{cards}</div>'


def _any(record: dict[str, Any]) -> bool:
    return any(sum(record["ages"][gender]) for gender in GENDERS)


def _most(over_time: dict[str, Any]) -> str:
    pieces = "second" if over_time["width"] == 1 else clock(over_time["width"])
    return f"line: most at once, area: mean, of every {pieces}"


def _note(text: str) -> str:
    return f' <span class="soft" style="font-weight:400">· {text}</span>'


def _key() -> str:
    spans = "".join(
        f'<span style="background:var(--{gender})"></span>{gender}' for gender in GENDERS
    )
    return f'<div class="key soft">{spans}</div>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>\n{content}\n</section>"


def _svg(height: float, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">' + "\n".join(parts) + "</svg>"


def _x(second: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * second / max(seconds, 1e-3)


def _time_axis(seconds: float, bottom: float) -> Iterator[str]:
    """Vertical lines at round times, named below."""
    step = next((t for t in TICKS if seconds / t <= 10), int(seconds / 10))
    for second in range(0, int(seconds) + 1, step):
        x = _x(second, seconds)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
        yield _text(x, bottom + 17, clock(second), "middle", soft=True)


def _text(x: float, y: float, text: str, anchor: str, soft: bool = False) -> str:
    kind = ' class="soft"' if soft else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{text}</text>'


def _bars(people: list[dict[str, Any]], seconds: float) -> str:
    """One row a person, a bar for every time in view."""
    bottom = ROW * len(people)
    parts = list(_time_axis(seconds, bottom))
    for row, person in enumerate(people):
        top = ROW * row
        parts.append(_text(LEFT - 10, top + 15, f"{person['id']} · {_who(person)}", "end"))
        for start, end in person["spans"]:
            x = _x(start, seconds)
            width = max(_x(end, seconds) - x, 2.0)
            parts.append(
                f'<rect class="{person["gender"]}" x="{x:.1f}" y="{top + 4}" width="{width:.1f}" '
                f'height="{ROW - 8}" rx="3"><title>{person["id"]}: {clock(start)} to {clock(end)}'
                "</title></rect>"
            )
    return _svg(bottom + AXIS, parts)


def _curve(over_time: dict[str, Any], seconds: float) -> str:
    """The mean number of faces as an area, the most at once as a line of steps."""
    width, most, means = over_time["width"], over_time["most"], over_time["mean"]
    high = max([1, *most])
    parts = [*_time_axis(seconds, HEIGHT), *_count_axis(high)]
    area, steps = [f"M{LEFT} {HEIGHT}"], []
    for piece, (mean, peak) in enumerate(zip(means, most, strict=True)):
        ends = [_x(min(t * width, seconds), seconds) for t in (piece, piece + 1)]
        area += [f"L{x:.1f} {_y(mean, high):.1f}" for x in ends]
        steps += [f"{x:.1f} {_y(peak, high):.1f}" for x in ends]
    area.append(f"L{_x(seconds, seconds):.1f} {HEIGHT}Z")
    parts.append(f'<path d="{"".join(area)}" fill="var(--area)" opacity="0.35"/>')
    parts.append(
        f'<polyline points="{" ".join(steps)}" fill="none" stroke="var(--area)" stroke-width="2"/>'
    )
    return _svg(HEIGHT + AXIS, parts)


def _y(value: float, high: float) -> float:
    return HEIGHT - (HEIGHT - 16) * value / high


def _count_axis(high: int) -> Iterator[str]:
    """Horizontal lines at whole numbers, five at most."""
    step = -(-high // 5)
    for number in range(0, high + 1, step):
        y = _y(number, high)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 10, y + 4, str(number), "end", soft=True)


def _histogram(ages: dict[str, list[int]]) -> str:
    """People by decade of age, a bar for every gender that occurs."""
    genders = [gender for gender in GENDERS if sum(ages[gender])]
    high = max(max(ages[gender]) for gender in genders)
    slot = (WIDTH - LEFT - RIGHT) / len(ages["from"])
    bar = slot * 0.8 / len(genders)
    parts = list(_count_axis(high))
    for k, start in enumerate(ages["from"]):
        left = LEFT + slot * (k + 0.1)
        last = k + 1 == len(ages["from"])
        name = f"{start}+" if last else f"{start}–{start + AGES - 1}"
        parts.append(_text(left + slot * 0.4, HEIGHT + 17, name, "middle", soft=True))
        for place, gender in enumerate(genders):
            number = ages[gender][k]
            top = _y(number, high)
            parts.append(
                f'<rect class="{gender}" x="{left + bar * place:.1f}" y="{top:.1f}" '
                f'width="{bar - 2:.1f}" height="{HEIGHT - top:.1f}" rx="2">'
                f"<title>{gender}, {name}: {number}</title></rect>"
            )
    return _svg(HEIGHT + AXIS, parts)


def _who(person: dict[str, Any]) -> str:
    age = "" if person["age"] is None else f" {person['age']:.0f}"
    return "…" if person["gender"] == "unknown" and not age else f"{person['gender']}{age}"


def _table(people: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{person['id']}</td><td>{person['gender']}</td>"
        f"<td>{'' if person['age'] is None else round(person['age'])}</td>"
        f"<td>{person['seconds']:.1f} s</td><td>{clock(person['spans'][0][0])}</td>"
        f"<td>{clock(person['spans'][-1][1])}</td></tr>"
        for person in people
        if person["spans"]
    )
    heads = "".join(
        f"<th>{name}</th>" for name in ("id", "gender", "age", "in view", "first seen", "last seen")
    )
    return f"<table><tr>{heads}</tr>{rows}</table>"
