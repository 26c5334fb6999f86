"""Prepare a data set: filter its records, crop its pictures, assign splits, write one zip."""

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from models.datasets.face_region import prepare_picture
from models.datasets.formats import FORMATS, Rules
from models.datasets.histogram import save_age_histogram
from models.datasets.labels import UNREADABLE
from models.datasets.shards import Prepared, Shards, new_zip
from models.datasets.source import Record, Source
from models.datasets.splits import assign_splits
from models.detection.mtcnn import Mtcnn
from models.errors import ModelError
from models.files import atomic_write, make_folder

COLUMNS = ("file", "split", "age", "gender", "race", "age_bin", "subject", "fold")
NO_SPLIT = "no split"  # of pictures that were dropped before splits were assigned
FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # of every zip member, so that the same input gives same bytes


def prepare(name: str, path: Path, out: Path, rules: Rules) -> dict[str, Any]:
    """Write OUT.zip, OUT.report.json and OUT.png from the data set `name` (of FORMATS) at `path`;
    the report. A killed run is resumed. Raises ModelError."""
    _check_output(path, out)
    form = FORMATS[name]
    rules = replace(rules, one_face=rules.one_face or form.one_face)
    source = Source(path, form.layout)
    records = list(_drop_repeated(form.records(source, rules)))
    candidates = [record for record in records if not record.dropped]
    if not candidates:
        reason = f"{path} has no picture of {name}{_main_reason(records)}"
        raise ModelError(f"{reason}: expected {form.layout}")
    try:
        shards = Shards(out, json.dumps([str(rules), *map(str, candidates)]), len(candidates))
        shards.fill(_worker(source, candidates, rules.one_face, form.trim), name)
        done = list(_assign(candidates, list(shards.outcomes())))
        records = [record for record in records if record.dropped] + done
        if all(record.dropped for record in records):
            raise ModelError(f"{path}: no picture is left{_main_reason(records)}")
        _write_zip(out, done, shards)
        report = {"name": name, "source": str(path), "rules": str(rules), **_counts(records)}
        _write_beside(out, report, done)
        shards.remove()
    except OSError as error:
        raise ModelError(f"cannot write {error.filename or out}: {error.strerror}") from None
    return report


def _check_output(path: Path, out: Path) -> None:
    if out.suffix != ".zip" or out.is_dir():
        raise ModelError(f"cannot write {out}: name a file that ends in .zip")
    if out.exists() and path.exists() and out.samefile(path):
        raise ModelError(f"cannot write {out}: it is the original: name another file")
    make_folder(out.parent)


def _drop_repeated(records: Iterable[Record]) -> Iterator[Record]:
    """The records; one whose file an earlier record has is marked as dropped."""
    files = set()
    for record in records:
        again = not record.dropped and record.file in files
        yield replace(record, dropped="named twice") if again else record
        if not record.dropped:
            files.add(record.file)


def _worker(
    source: Source, records: list[Record], one_face: bool, trim: int
) -> Callable[[int], Prepared]:
    """A function that prepares the picture of a record's number; safe to call in any thread."""
    detector = Mtcnn(video=False)

    def work(number: int) -> Prepared:
        try:
            published = source.read(records[number].path)
        except (KeyError, *UNREADABLE):
            return Prepared("cannot be read", "")
        reason, picture = prepare_picture(published, detector, one_face, trim)
        return Prepared(reason, hashlib.sha256(published).hexdigest(), picture)

    return work


def _assign(records: list[Record], outcomes: list[Prepared]) -> Iterator[Record]:
    """The records, each with its split or with the reason to drop it."""
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


def _write_zip(out: Path, records: list[Record], shards: Shards) -> None:
    """Write the records that are kept; `shards` holds the pictures of all records, by number."""
    kept = [(number, record) for number, record in enumerate(records) if not record.dropped]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(record) for _, record in kept)
    pictures = shards.pictures({number for number, _ in kept})
    labels = zipfile.ZipInfo("labels.csv", FIXED_TIME)
    with new_zip(out) as file:
        file.writestr(labels, text.getvalue(), zipfile.ZIP_DEFLATED)
        for (_, record), picture in zip(kept, pictures, strict=True):
            file.writestr(zipfile.ZipInfo(f"images/{record.file}", FIXED_TIME), picture)


def report_paths(out: Path) -> tuple[Path, Path]:
    """The report and the histogram beside OUT.zip."""
    return out.with_suffix(".report.json"), out.with_suffix(".png")


def _write_beside(out: Path, report: dict[str, Any], records: list[Record]) -> None:
    report_path, histogram_path = report_paths(out)
    with atomic_write(report_path) as unfinished:
        unfinished.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    labels = [(r.age, r.age_bin, r.gender) for r in records if not r.dropped]
    title = f"{report['name']}, {len(labels)} pictures"
    save_age_histogram(labels, title, histogram_path)


def _counts(records: list[Record]) -> dict[str, Any]:
    """Number of pictures: in all, kept by split, and dropped by reason and split."""
    counts = Counter((record.dropped, record.split or NO_SPLIT) for record in records)
    table: dict[str, dict[str, int]] = {}
    for (reason, split), count in sorted(counts.items()):
        table.setdefault(reason, {})[split] = count
    return {"pictures": len(records), "kept": table.pop("", {}), "dropped": table}


def _main_reason(records: list[Record]) -> str:
    """The most frequent reason to drop a record, in brackets."""
    reasons = Counter(record.dropped for record in records).most_common(1)
    return f" (most: {reasons[0][0]})" if reasons else ""
