"""`python -m models.prepare`: a data set as its authors distribute it -> labels.csv and images/ in
a zip, as `models.train` and `models.evaluate` read it.

Stopped at any moment it goes on where it was, to the same bytes. Beside OUT.zip it leaves
OUT.report.json, what was kept and dropped and why, and OUT.png, the ages by gender.
"""

import argparse
import csv
import hashlib
import io
import json
import math
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from models.commands import guarded
from models.datasets.face_region import prepare_picture
from models.datasets.formats import ORIGINALS, Rules
from models.datasets.histogram import save_age_histogram
from models.datasets.labels import UNREADABLE
from models.datasets.shards import Parts, Prepared, new_zip
from models.datasets.source import Record, Source
from models.datasets.splits import SPLITS, assign_splits
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.files import atomic_write, make_folder

COLUMNS = ("file", "split", "age", "gender", "race", "age_bin", "subject", "fold")
NO_SPLIT = "no split"  # of what was dropped before it had one
NEVER = (1980, 1, 1, 0, 0, 0)  # the time of every member: the same bytes every time


def prepare(name: str, path: Path, out: Path, rules: Rules) -> dict[str, Any]:
    """Write the zip, the report and the histogram; the report. Raises ModelError."""
    if out.suffix != ".zip" or out.is_dir():
        raise ModelError(f"cannot write {out}: name a file that ends in .zip")
    if out.exists() and path.exists() and out.samefile(path):
        raise ModelError(f"cannot write {out}: it is the original: name another file")
    make_folder(out.parent)
    original = ORIGINALS[name]
    rules = replace(rules, one_face=rules.one_face or original.one_face)
    source = Source(path, original.layout)
    records = list(_named_once(original.records(source, rules)))
    todo = [record for record in records if not record.dropped]
    if not todo:
        why = f"{path} holds no picture of {name}{_chief_reason(records)}"
        raise ModelError(f"{why}: wanted is {original.layout}")
    try:
        parts = Parts(out, json.dumps([str(rules), *map(str, todo)]), len(todo))
        parts.fill(_work(source, todo, rules.one_face, original.trim), name)
        done = list(_judged(todo, list(parts.outcomes())))
        records = [record for record in records if record.dropped] + done
        if all(record.dropped for record in records):
            raise ModelError(f"{path}: no picture is left{_chief_reason(records)}")
        _write_zip(out, done, parts)
        report = {"name": name, "source": str(path), "rules": str(rules), **_counts(records)}
        _write_beside(out, report, done)
        parts.remove()
    except OSError as error:
        raise ModelError(f"cannot write {error.filename or out}: {error.strerror}") from None
    return report


def _named_once(records: Iterable[Record]) -> Iterator[Record]:
    """The records; a file that an earlier one has is dropped."""
    files = set()
    for record in records:
        again = not record.dropped and record.file in files
        yield replace(record, dropped="named twice") if again else record
        if not record.dropped:
            files.add(record.file)


def _work(
    source: Source, records: list[Record], one_face: bool, trim: int
) -> Callable[[int], Prepared]:
    """What is done with the picture of a number, in any thread."""
    detector = Mtcnn(video=False)

    def work(number: int) -> Prepared:
        try:
            published = source.read(records[number].path)
        except (KeyError, *UNREADABLE):
            return Prepared("cannot be read", "")
        reason, picture = prepare_picture(published, detector, one_face, trim)
        return Prepared(reason, hashlib.sha256(published).hexdigest(), picture)

    return work


def _judged(records: list[Record], outcomes: list[Prepared]) -> Iterator[Record]:
    """The records, each with its split or the reason why it is dropped after all."""
    pairs = list(zip(records, outcomes, strict=True))
    good = [(record, done.digest) for record, done in pairs if not done.reason]
    official, subjects = [r.split for r, _ in good], [r.subject for r, _ in good]
    splits = iter(assign_splits(official, subjects, [digest for _, digest in good]))
    for record, done in pairs:
        if done.reason:
            yield replace(record, dropped=done.reason)
        elif split := next(splits):
            yield replace(record, split=split)
        else:
            yield replace(record, dropped="in a later split too")


def _write_zip(out: Path, records: list[Record], parts: Parts) -> None:
    """Those that are kept; `parts` has the pictures of all."""
    kept = [(number, record) for number, record in enumerate(records) if not record.dropped]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(record) for _, record in kept)
    pictures = parts.pictures({number for number, _ in kept})
    with new_zip(out) as file:
        file.writestr(zipfile.ZipInfo("labels.csv", NEVER), text.getvalue(), zipfile.ZIP_DEFLATED)
        for (_, record), picture in zip(kept, pictures, strict=True):
            file.writestr(zipfile.ZipInfo(f"images/{record.file}", NEVER), picture)


def _write_beside(out: Path, report: dict[str, Any], records: list[Record]) -> None:
    with atomic_write(out.with_suffix(".report.json")) as unfinished:
        unfinished.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    labels = [(r.age, r.age_bin, r.gender) for r in records if not r.dropped]
    title = f"{report['name']}, {len(labels)} pictures"
    save_age_histogram(labels, title, out.with_suffix(".png"))


def _counts(records: list[Record]) -> dict[str, Any]:
    """How many pictures were kept by split, and dropped by reason and split."""
    counts = Counter((record.dropped, record.split or NO_SPLIT) for record in records)
    table: dict[str, dict[str, int]] = {}
    for (reason, split), count in sorted(counts.items()):
        table.setdefault(reason, {})[split] = count
    return {"pictures": len(records), "kept": table.pop("", {}), "dropped": table}


def _chief_reason(records: list[Record]) -> str:
    """What most of them were dropped for, in brackets."""
    reasons = Counter(record.dropped for record in records).most_common(1)
    return f" (most: {reasons[0][0]})" if reasons else ""


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    rows = {"kept": report["kept"], **report["dropped"]}
    splits = [s for s in (*SPLITS, NO_SPLIT) if any(s in row for row in rows.values())]
    kept, width = sum(report["kept"].values()), max(map(len, rows))
    lines = [
        f"{report['name']}: {kept} of {report['pictures']} pictures kept",
        " " * width + "".join(f"{name:>10}" for name in (*splits, "all")),
    ]
    for name, row in rows.items():
        counts = [*(row.get(split, 0) for split in splits), sum(row.values())]
        lines.append(f"{name:<{width}}" + "".join(f"{count:>10}" for count in counts))
    return "\n".join(lines)


def score(text: str) -> float:
    """A number, also an infinite one, for argparse's `type`."""
    value = float(text)
    if math.isnan(value):
        raise ValueError
    return value


def main(argv: list[str] | None = None) -> int:
    """Parse, prepare, print the report."""
    parser = argparse.ArgumentParser(prog="python -m models.prepare", description=__doc__)
    parser.add_argument("name", choices=ORIGINALS, metavar="NAME", help=", ".join(ORIGINALS))
    parser.add_argument("source", type=Path, metavar="SOURCE", help="the folder or zip of the set")
    parser.add_argument("out", type=Path, metavar="OUT.zip")
    parser.add_argument(
        "--one-face",
        action="store_true",
        help="drop pictures in which more than one face is found, as morph2 does anyway",
    )
    parser.add_argument(
        "--min-face-score",
        type=score,
        help=f"imdb and wiki: of their own detector ({Rules.min_face_score}), -inf takes any",
    )
    parser.add_argument(
        "--max-second-score",
        type=score,
        help=f"imdb and wiki: of a second face ({Rules.max_second_score}: none at all), some take "
        "0",
    )
    args = parser.parse_args(argv)
    scores = {name: getattr(args, name) for name in ("min_face_score", "max_second_score")}
    scores = {name: value for name, value in scores.items() if value is not None}
    if scores and args.name not in ("imdb", "wiki"):
        parser.error(f"{args.name} has no scores of faces: leave the scores away")
    rules = Rules(**scores, one_face=args.one_face)
    return guarded(
        "models.prepare",
        lambda: print(table(prepare(args.name, args.source, args.out, rules))),
        "; the same command goes on",
    )


if __name__ == "__main__":
    sys.exit(main())
