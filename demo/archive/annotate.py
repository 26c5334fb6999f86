"""One job through a run of the pipeline."""

import json
import os
import socket
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from demo import __version__
from demo.archive.bundle import BundleSource
from demo.archive.inputs import check_unchanged, local_paths, named, with_names
from demo.archive.jobs import Job, folder_of
from demo.archive.ledger import Record
from demo.archive.options import ArchiveOptions
from demo.archive.parts import PartWriter
from demo.build import build_run
from demo.events import Event
from demo.networks import kept_networks
from demo.options import Options
from demo.sources.base import Source
from demo.sources.open import open_source

BEAT_SECONDS = 1.0  # between two notes of how far a job is


def annotate(job: Job, options: ArchiveOptions, folder: Path) -> Record:
    """Run the files of a job, and write its parts, log and recording to a folder. Returns the
    results for its record. Raises UserError for a file that cannot be used."""

    def opener(name: str, give_up: float) -> Source:
        if job.photos:
            return BundleSource(name, paths, [item.name for item in job.items], job.first)
        source = open_source(str(paths[0]))
        source.name = job.name
        return source

    def notify(event: Event) -> None:
        if event.kind == "warning":
            warnings.append(event.text)

    warnings: list[str] = []
    metadata = {"agestream.job": job.key, "agestream.version": __version__}
    beat = _Beat(job, folder)
    with ExitStack() as stack:
        paths = local_paths(job, stack)
        stack.enter_context(named(job, paths))
        run = stack.enter_context(
            build_run(
                _run_options(job, options, folder),
                notify,
                kept_networks(options.run),
                opener=opener,
            )
        )
        parts = stack.enter_context(PartWriter(folder, run.photos, metadata))
        beat.total = run.count
        with closing(iter(run.session)) as analyses:
            for analysis in analyses:
                parts.write(analysis.frame, analysis.faces)
                beat.frame()
        (source,) = run.sources
        faults = run.session.result.failures
        if isinstance(source, BundleSource):
            faults = source.errors
        faults = [with_names(line, job, paths) for line in faults]
        summary = run.outputs.summary
    check_unchanged(job)
    return {
        "photos": run.photos,
        "frames": summary.frames,
        "people": summary.count,
        "faces": parts.faces,
        "seconds": round(summary.duration, 3),
        "faults": faults,
        "warnings": [with_names(line, job, paths) for line in warnings],
        "summary": summary.bins(),
    }


def _run_options(job: Job, options: ArchiveOptions, folder: Path) -> Options:
    """The options of the run, with its outputs in the folder."""
    name = job.name if not job.photos else folder_of(job.items[0].name)
    output = None
    if options.record:
        output = folder / ("record" if job.photos else "record.mp4")
    return replace(
        options.run,
        sources=(name,),
        display=False,
        log=folder / f"log.{options.log}" if options.log else None,
        output=output,
        output_folder=job.photos,
    )


class _Beat:
    """Notes in the folder of a job at work how far it is."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.total: int | None = None  # frames, where that is known
        self._path = folder / "running.json"
        self._about: dict[str, Any] = {"job": job.key, "name": job.name, "bytes": job.size}
        self._about |= {"host": socket.gethostname(), "pid": os.getpid(), "began": time.time()}
        self._frames, self._due = 0, 0.0
        self._write()

    def frame(self) -> None:
        """Count a frame."""
        self._frames += 1
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + BEAT_SECONDS
            self._write()

    def _write(self) -> None:
        beside = self._path.with_suffix(".new")  # no reader sees half a note
        note = {**self._about, "total": self.total, "frames": self._frames}
        beside.write_text(json.dumps(note))
        beside.replace(self._path)
