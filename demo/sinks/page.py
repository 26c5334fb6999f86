"""The summary of a session as one HTML page that needs no other file."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from demo.sinks.charts import age_bars, faces_curve, presence_bars
from demo.sinks.words import GENDERS, clock, named
from models.printable import printable

MAX_BARS = 60  # people with a bar, those longest in view; the table lists more

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #687083; --line: #e3e6ec; --card: #fff;
  --ground: #f5f6f9; --female: #c2578f; --male: #3b78c4; --unknown: #9aa1ae; --area: #2a9d8f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf2; --soft: #9aa3b5; --line: #333a48;
  --card: #1e2430; --ground: #151a23; --female: #e084b4; --male: #6ea5ea; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
main { max-width: 1040px; margin: 0 auto; padding: 32px 16px 48px }
h1, h2 { overflow-wrap: anywhere } h1 { font-size: 26px; line-height: 1.3; margin: 0 0 2px }
h2 { font-size: 16px; margin: 0 0 12px; display: flex; flex-wrap: wrap; gap: 0 16px;
  justify-content: space-between }
.soft, .soft * { color: var(--soft); fill: var(--soft) } h2 .soft { font-weight: 400 }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin-top: 18px }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin-top: 20px }
.cards div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 16px }
.cards b { display: block; font-size: 25px; line-height: 1.25 }
.wide { overflow-x: auto } svg { width: 100%; min-width: 800px; height: auto; display: block }
svg text { font-size: 12px; fill: var(--ink) } line { stroke: var(--line) }
line.cut { stroke: var(--soft); stroke-dasharray: 3 3 } .key i.cut { width: 0; border-radius: 0;
  border-left: 2px dashed var(--soft) }
.female { fill: var(--female) } .male { fill: var(--male) } .unknown { fill: var(--unknown) }
.key { font-size: 13px; white-space: nowrap } .key i { display: inline-block; width: 11px;
  height: 11px; border-radius: 3px; margin: 0 5px 0 14px } .key i:first-child { margin-left: 0 }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: var(--soft);
  font-weight: 500 } td, th { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums }
""".strip()


def page(record: dict[str, Any], more: Sequence[str] = (), kind: str = "session, started") -> str:
    """The page for the record of a summary; see `Summary.record`. `more`: further sections. `kind`:
    what the record sums up, and what its time means."""
    name = escape(printable(record["source"]))
    started = escape(record["started"].replace("T", " "))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{name} - AgeStream'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{STYLE}\n</style></head>\n<body><main>\n<h1>{name}</h1>\n"
        f'<div class="soft">AgeStream {kind} {started}</div>\n'
        f"{_cards(record)}\n" + "\n".join([*_sections(record), *more]) + "\n</main></body></html>\n"
    )


def _cards(record: dict[str, Any]) -> str:
    """The main numbers of the session."""
    cards = [(str(record["people_seen"]), f"{named(record['people_seen'], 'person')} seen")]
    if record["seconds"]:
        cards.append((clock(record.get("watched", record["seconds"])), "watched"))
    if record["cut_count"]:
        cards.append((str(record["cut_count"]), named(record["cut_count"], "cut")))
    if record["busiest"]:
        first = record["busiest"][0]
        cards.append((str(first["faces"]), f"most faces at once, at {clock(first['from'])}"))
    if number := record.get("photos_beside"):
        cards.append((str(number), named(number, "photo")))
    frames = named(record["frames"], "photo" if record["photos"] else "frame")
    if not record["photos"]:
        frames += f", {record['dropped'] or 'none'} dropped"
    cards.append((str(record["frames"]), frames))
    for title, times in (
        ("processing time", record["processing_ms"]),
        ("latency", record["latency_ms"]),
    ):
        if times:
            text = f"{title}, 95&nbsp;% within {times['p95']:.0f}&nbsp;ms"
            cards.append((f"{times['p50']:.0f} ms", text))
    content = "".join(
        f'<div><b>{value}</b><span class="soft">{t}</span></div>' for value, t in cards
    )
    return f'<div class="cards">{content}</div>'


def _sections(record: dict[str, Any]) -> list[str]:
    """The plots, then the tables."""
    people, count, seconds = record["people"], record["people_seen"], record["seconds"]
    longest = sorted(people, key=lambda person: -person["seconds"])[:MAX_BARS]
    shown = [person for person in people if person in longest]
    sections = []
    for source, theirs in _by_source(shown):
        title = f"Time in view{source}{_left_out(len(shown), count)}"
        cuts = [c["time"] for c in record["cuts"] if c["source"] == theirs[0]["source"]]
        sections.append(_section(title, presence_bars(theirs, seconds, cuts), _key(bool(cuts))))
    if seconds:
        over_time = record["faces_over_time"]
        text = f"line: maximum, area: mean, per {_length(over_time['width'])}"
        note = _note(text + (", from the start of each video" if "watched" in record else ""))
        sections.append(_section(f"Faces in view{note}", faces_curve(over_time, seconds)))
    if any(sum(record["ages"][gender]) for gender in GENDERS):
        sections.append(_section("Ages", age_bars(record["ages"]), _key()))
    for source, theirs in _by_source(people):
        title = f"People{source}{_left_out(len(people), count)}"
        sections.append(_section(title, _people_table(theirs)))
    return sections


def _by_source(people: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The people of each source, with a note that names it if there are several: ids are per
    source."""
    sources = dict.fromkeys(person["source"] for person in people)
    return [
        (
            _note(escape(printable(source))) if len(sources) > 1 else "",
            [person for person in people if person["source"] == source],
        )
        for source in sources
    ]


def _left_out(shown: int, count: int) -> str:
    return _note(f"the {shown} longest in view") if count > shown else ""


def _length(seconds: int) -> str:
    """The length of a piece of the timeline: "second", "5 s", "15 min", "6 h"."""
    if seconds == 1:
        return "second"
    unit, size = next((u, s) for u, s in (("h", 3600), ("min", 60), ("s", 1)) if seconds >= s)
    return f"{seconds // size} {unit}"


def _note(text: str) -> str:
    return f' <span class="soft">· {text}</span>'


def _key(cuts: bool = False) -> str:
    colours = "".join(f'<i style="background:var(--{gender})"></i>{gender}' for gender in GENDERS)
    dashes = '<i class="cut"></i>cut' if cuts else ""
    return f'<span class="key soft">{colours}{dashes}</span>'


def _section(title: str, content: str, key: str = "") -> str:
    heading = f"<h2><span>{title}</span>{key}</h2>"
    return f'<section>{heading}\n<div class="wide">{content}</div>\n</section>'


def table_section(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A section with a table of text."""
    return _section(escape(title), _table(heads, rows))


def _people_table(people: list[dict[str, Any]]) -> str:
    return _table(
        ("id", "gender", "age", "in view", "first seen", "last seen"),
        (
            (
                str(person["id"]),
                person["gender"],
                "" if person["age"] is None else str(round(person["age"])),
                f"{person['seconds']:.1f} s",
                clock(person["spans"][0][0]),
                clock(person["spans"][-1][1]),
            )
            for person in people
            if person["spans"]
        ),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    lines = (
        "<tr>" + "".join(f"<td>{escape(printable(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"
