"""Measure which faces photos lose by their size and turn: `python -m demo.bench.photos`.

Pictures with one labelled face are enlarged, grained like photos and turned. The shuffled tiles of
the same pictures make pictures without a face. Choose a val or train split: nothing may be tuned on
test faces.

first    share of the pictures in which the first look finds a face
all      the same for all looks, as `stream.py` takes them
several  pictures in which all looks find more than one face
ms       mean milliseconds of the first look, and of all looks at a picture that needs more than one
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from demo.build import prepare_process
from demo.errors import UserError
from demo.faces.looks import PHOTO_SCORE, search_photo
from models.commands import count, guarded, number, seed
from models.datasets.labels import Pictures
from models.detection.mtcnn import Detections, Mtcnn
from models.detection.views import View
from models.evaluation.run import select_samples
from models.machine import machine

MEGAPIXELS = (0, 1, 4, 12)  # 0: as published
TURNS = (0, 10, -20, 30, 45, -60, 90, -135, 180)  # degrees clockwise
GRAIN = 10.0  # gray levels, standard deviation of the noise in enlarged pictures
ROOM = 1.25  # sides of the picture of a turned face, so that its corners hold chin and forehead
TILE = 1 / 6  # of the shorter side: holds less than a face


class Watch:
    """MTCNN that keeps what the first look at a photo found, and the time of all looks."""

    def __init__(self) -> None:
        self._mtcnn = Mtcnn(video=False)
        self.refine, self.refine_once = self._mtcnn.refine, self._mtcnn.refine_once
        self.detect_around = self._mtcnn.detect_around
        self.first, self.looks = 0, 0  # sure faces, number of looks
        self.first_ms, self.all_ms = 0.0, 0.0

    def detect(
        self, image: np.ndarray, coarse: bool = False, known: np.ndarray | None = None
    ) -> Detections:
        """The first look, also at the contrast of a photo without any candidate."""
        start = time.perf_counter()
        found = self._mtcnn.detect(image, coarse, known)
        self.first, self.looks = int((found.scores >= PHOTO_SCORE).sum()), 1
        self.first_ms = 1e3 * (time.perf_counter() - start)
        return found

    def detect_in(self, view: View) -> Detections:
        """A further look."""
        self.looks += 1
        return self._mtcnn.detect_in(view)

    def search(self, image: np.ndarray) -> int:
        """The number of faces that all looks find."""
        start = time.perf_counter()
        faces, _ = search_photo(self, image)
        self.all_ms = 1e3 * (time.perf_counter() - start)
        return len(faces)


def photo_of(
    picture: np.ndarray,
    megapixels: float,
    degrees: float,
    rng: np.random.Generator,
    grain: float = GRAIN,
) -> np.ndarray:
    """A picture (h, w, 3) uint8 turned clockwise, its corners filled with its edge pixels, and
    unless `megapixels` is 0 enlarged and with `grain`."""
    sides = np.array(picture.shape[1::-1])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).round(12)
    shape = np.abs(turn) @ sides if degrees % 90 == 0 else ROOM * sides
    zoom = np.sqrt(megapixels * 1e6 / shape.prod()) if megapixels else 1.0
    shape, turn = np.rint(zoom * shape).astype(int), zoom * turn
    shift = (shape - 1) / 2 - turn @ ((sides - 1) / 2)
    photo = cv2.warpAffine(
        picture,
        np.column_stack([turn, shift]),
        shape.tolist(),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if not megapixels:
        return photo
    noise = rng.normal(0, grain, (*photo.shape[:2], 1)).astype(np.float32)
    return np.asarray(np.clip(photo + noise, 0, 255).astype(np.uint8))


def shuffled(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture without a face: its whole tiles in another order."""
    side = max(int(TILE * min(picture.shape[:2])), 1)
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    tiles = picture[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    tiles = rng.permutation(tiles.swapaxes(1, 2).reshape(-1, side, side, 3))
    tiles = tiles.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(rows * side, columns * side, 3))


def measure(
    watch: Watch, pictures: Sequence[np.ndarray], megapixels: float, degrees: float, seed: int
) -> dict[str, Any]:
    """One row of the report."""
    rng, rows = np.random.default_rng(seed), []
    for picture in pictures:
        faces = watch.search(photo_of(picture, megapixels, degrees, rng))
        rows.append((watch.first, faces, watch.looks, watch.first_ms, watch.all_ms))
    first, faces, looks, first_ms, all_ms = np.array(rows).T
    again = looks > 1
    return {
        "megapixels": megapixels,
        "degrees": degrees,
        "pictures": len(rows),
        "first": int((first > 0).sum()),
        "all": int((faces > 0).sum()),
        "several": int((faces > 1).sum()),
        "first_ms": round(float(np.mean(first_ms)), 1),
        "all_ms": round(float(np.mean(all_ms[again])), 1) if again.any() else None,
    }


def report(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows for every data set, with its faces and without. Raises UserError, ModelError."""
    watch, rng = Watch(), np.random.default_rng(args.seed)
    steps = [(m, d, True) for m in args.megapixels for d in args.turns]
    steps += [(m, 0.0, False) for m in args.megapixels]
    for path in args.data:
        opened = Pictures(path)
        read = [opened.image(each) for each in select_samples(opened, args.split, args.limit)]
        faces = [picture for picture in read if picture is not None]
        if not faces:
            raise UserError(f"{path}: no picture of split {args.split!r} can be read")
        blank = [shuffled(face, rng) for face in faces]
        for megapixels, degrees, face in tqdm(steps, path.name, unit="row"):
            row = measure(watch, faces if face else blank, megapixels, degrees, args.seed)
            yield {"data": path.resolve().name, "split": args.split, "face": face} | row


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The report for people."""
    lines = [f"{'data':<18}{'MP':>4}{'turn':>6}{'n':>5}{'first':>8}{'all':>8}{'several':>9}   ms"]
    for row in rows:
        n, size = row["pictures"], f"{row['megapixels']:g}" if row["megapixels"] else "-"
        turn = f"{row['degrees']:g}°" if row["face"] else "none"
        later = "-" if row["all_ms"] is None else f"{row['all_ms']:.0f}"
        lines.append(
            f"{row['data']:<18}{size:>4}{turn:>6}{n:>5}{row['first'] / n:>8.1%}"
            f"{row['all'] / n:>8.1%}{row['several']:>9}   {row['first_ms']:.0f}, {later}"
        )
    return "\n".join([*lines, f'"none": shuffled tiles, no face; on {machine()}'])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.photos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="zips or folders with labels.csv"
    )
    parser.add_argument("--split", default="val", help="split of the data (%(default)s)")
    parser.add_argument(
        "--limit",
        type=count,
        default=40,
        help="pictures of each, spread over the split (%(default)s)",
    )
    parser.add_argument(
        "--megapixels",
        type=number(0, 100),
        nargs="+",
        default=MEGAPIXELS,
        help="sizes of the photos, 0: as published (0 1 4 12)",
    )
    parser.add_argument(
        "--turns",
        type=number(-360, 360),
        nargs="+",
        default=TURNS,
        help="degrees clockwise (0 10 -20 30 45 -60 90 -135 180)",
    )
    parser.add_argument("--seed", type=seed, default=1, help="of the grain (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Measure and print; the exit code."""
    args = _parser().parse_args(argv)
    prepare_process()

    def work() -> None:
        rows = list(report(args))
        print(json.dumps({"machine": machine(), "rows": rows}) if args.json else text(rows))

    return guarded("demo.bench.photos", work)


if __name__ == "__main__":
    sys.exit(main())
