"""`python -m demo.bench.scaling CLIP -o DIR`: the cost of more faces and of larger frames, plotted.

Faces: the largest face of the clip's first frame, 1 to 32 times on a 1920×1080 frame, each copy
swaying. Frame sizes: the clip itself, scaled.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from demo.bench.clips import engines, video_source
from demo.display.overlay import draw
from demo.errors import UserError
from demo.faces.detectors import Detector
from demo.faces.pipeline import Pipeline, Settings
from demo.frames import Frame
from demo.timing import Stopwatch
from models.commands import guarded
from models.files import make_folder
from models.inference.estimator import Estimator
from models.machine import machine

FACES = (1, 2, 4, 8, 16, 24, 32)
HEIGHTS = (270, 480, 720, 1080, 1440, 2160)
COUNT = 60  # frames of a measurement
GRID, SLOT, FACE = (8, 4), (240, 270), 200  # columns and rows, pixels of a slot, of a portrait
SWAY = 12  # pixels


def portraits(portrait: np.ndarray, faces: int) -> Iterator[np.ndarray]:
    """Frames (1080, 1920, 3) with this many copies of a portrait, swaying out of step."""
    for index in range(COUNT):
        image = np.full((1080, 1920, 3), 110, np.uint8)
        for k in range(faces):
            row, column = divmod(k, GRID[0])
            sway = SWAY * np.sin(index / 8 + k)
            x, y = int(column * SLOT[0] + 20 + sway), int(row * SLOT[1] + 30)
            image[y : y + FACE, x : x + FACE] = portrait
        yield image


def scaled(images: list[np.ndarray], height: int) -> Iterator[np.ndarray]:
    """The images at another height, their proportions kept."""
    for image in images:
        width = round(image.shape[1] * height / image.shape[0])
        yield cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def milliseconds(frames: Iterator[np.ndarray], detector: Detector, estimator: Estimator) -> float:
    """Mean time of a frame from pixels to overlay, after a first pass over the same frames."""
    images, seconds = list(frames), 0.0
    for _ in range(2):
        pipeline = Pipeline(detector, estimator, estimator.input, 25.0, Settings(), Stopwatch())
        start = time.perf_counter()
        for index, image in enumerate(images):
            drawn = image.copy()
            draw(drawn, pipeline.process(Frame(drawn, index, index / 25, "sweep")))
        seconds = time.perf_counter() - start
    return seconds / len(images) * 1e3


def measure(clip: str, model: str) -> dict[str, dict[int, float]]:
    """Milliseconds a frame by the number of faces and by the height of the frame."""
    with video_source(clip) as source:
        images = [frame.image for frame in islice(source, COUNT)]
    detector, estimator = engines(model)
    found = detector.detect(images[0])
    if not len(found):
        raise UserError(f"the first frame of {clip} has no face")
    portrait = _portrait(images[0], found.boxes)
    return {
        "faces": {n: milliseconds(portraits(portrait, n), detector, estimator) for n in FACES},
        "height": {h: milliseconds(scaled(images, h), detector, estimator) for h in HEIGHTS},
    }


def _portrait(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The largest face with its surroundings, as a square."""
    x1, y1, x2, y2 = boxes[np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))]
    half = 0.9 * max(x2 - x1, y2 - y1)
    centre = ((x1 + x2) / 2, (y1 + y2) / 2)
    side = max(int(2 * half), 1)
    return cv2.resize(cv2.getRectSubPix(image, (side, side), centre), (FACE, FACE))


def plot(result: dict[str, dict[int, float]], path: Path) -> None:
    """Frames a second against faces and against frame height."""
    from models.plots import BLUE, label, new_figure, save_figure

    figure, axes = new_figure(10, 4, columns=2)
    labels = {"faces": "faces in a 1920×1080 frame", "height": "frame height, pixels"}
    for axis, (name, times) in zip(axes, result.items(), strict=True):
        axis.plot(list(times), [1e3 / ms for ms in times.values()], "o-", color=BLUE)
        axis.set(ylim=(0, None))
        label(axis, labels[name], "frames a second")
    figure.suptitle("Detection, tracking, estimation and overlay, without decoding")
    save_figure(figure, path)


def run(clip: str, model: str, folder: Path) -> None:
    """Measure, plot, print."""
    make_folder(folder)
    result = measure(clip, model)
    record = result | {"machine": machine()}
    (folder / "sweep.json").write_text(json.dumps(record, indent=2) + "\n")
    plot(result, folder / "sweep.png")
    for name, times in result.items():
        for value, ms in times.items():
            print(f"{name} {value:>5}: {ms:6.2f} ms, {1e3 / ms:6.1f} fps")
    slope = np.polyfit(list(result["faces"]), list(result["faces"].values()), 1)[0]
    print(f"one more face costs {slope:.2f} ms a frame")


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", help="video file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="ssrnet-joint")
    args = parser.parse_args(argv)
    return guarded("demo.bench.scaling", lambda: run(args.clip, args.model, args.output))


if __name__ == "__main__":
    sys.exit(main())
