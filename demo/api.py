"""Faces in one call: `analyze_photo` for a picture, `analyze` for videos, cameras and folders."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from demo.build import build_run
from demo.errors import UserError
from demo.events import Event, Notify
from demo.faces.photo import PhotoPipeline
from demo.frames import Faces, Frame
from demo.networks import crop_spec, kept_networks
from demo.options import Options
from demo.sources.photo.files import read_photo

DEFAULTS = Options()


def warn(event: Event) -> None:
    """A `Notify` that turns what is missing or broken into a Python warning."""
    if event.kind in ("warning", "lost", "failed"):
        warnings.warn(event.text, stacklevel=2)


def analyze(
    source: int | str | Path | Sequence[int | str | Path],
    options: Options = DEFAULTS,
    notify: Notify = warn,
) -> Iterator[tuple[Frame, Faces]]:
    """Frames of a source with their faces, in order.

    `source` is a camera's number, the path of a video, of a photo or of a folder of photos, an
    rtsp:// or http:// address, or several of these, whose frames come as they are due. Boxes and
    points are pixels of `frame.image` (H, W, 3) uint8 BGR; ages and genders are nan until enough
    of a face was seen. A camera gives its newest frame: a slow loop skips frames.

    All options of the command line work here too: with `output`, `log` or `summary` the files are
    written while you iterate. Everything is closed when the loop ends or is left.

    >>> from demo import Options, analyze
    >>> for frame, faces in analyze("assets/demo.mp4", Options(max_frames=30)):
    ...     people = faces[faces.ids >= 1]
    >>> frame.index, frame.image.shape, sorted(people.ids.tolist())
    (29, (540, 960, 3), [1, 2])
    >>> bool((people.age_low < people.ages).all()), people.male_probs.round().tolist()
    (True, [0.0, 0.0])

    Raises UserError or ModelError where the source cannot be opened or the options do not fit.
    What goes wrong later is given to `notify`, by default as a Python warning.
    """
    if isinstance(source, int | str | Path):
        source = [source]
    chosen = replace(options, sources=tuple(map(_text, source)))
    with (
        build_run(chosen, notify, kept_networks(chosen)) as run,
        closing(iter(run.session)) as analyses,
    ):
        for analysis in analyses:
            yield analysis.frame, analysis.faces


def analyze_photo(photo: np.ndarray | str | Path, options: Options = DEFAULTS) -> Faces:
    """The faces of a photo: an array (H, W, 3) uint8 BGR or a path.

    >>> from demo import analyze, analyze_photo, face_records
    >>> frame, _ = next(analyze("assets/demo.mp4"))
    >>> faces = analyze_photo(frame.image)
    >>> [record["male"] < 0.5 for record in face_records(faces)]
    [True, True]

    Networks are loaded by the first call, which takes a second, and kept for the next ones. Only
    options of detection and estimation matter. Raises UserError for a photo that cannot be read.
    """
    image = photo if isinstance(photo, np.ndarray) else read_photo(Path(photo))
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UserError(
            f"a photo is an array (H, W, 3) of uint8 in BGR order, not {image.shape} of "
            f"{image.dtype}"
        )
    networks = kept_networks(options)(True)
    spec = crop_spec(options, networks.estimator.manifest)
    pipeline = PhotoPipeline(*networks, spec=spec)
    return pipeline.process(Frame(image, 0, 0.0, "photo")).faces


def _text(source: int | str | Path) -> str:
    """The source as the command line takes it; a path that is a number is not a camera."""
    if isinstance(source, Path) and str(source).isdigit():
        return os.path.join(os.curdir, source)
    return str(source)
