"""Plot the cost of more faces and of larger frames: `python -m demo.bench.scaling CLIP -o DIR`.

For the faces, the largest face of the clip's first frame is pasted 1 to 32 times into a 1920×1080
frame, and every copy sways. For the frame sizes, the clip itself is scaled.
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

from demo.bench.clips import networks, video_source
from demo.display.overlay import annotate
from demo.errors import UserError
from demo.faces.pipeline import Pipeline
from demo.frames import Frame
from demo.networks import Networks
from demo.options import Options
from models.commands import guarded
from models.files import make_folder
from models.machine import machine

FACES = (1, 2, 4, 8, 16, 24, 32)
HEIGHTS = (270, 480, 720, 1080, 1440, 2160)  # pixels
FRAMES = 60  # per measurement
FPS = 25.0
COLUMNS, SLOT, FACE = 8, (240, 270), 200  # slots per row; pixels of a slot and of a portrait
SWAY = 12  # pixels, so that the tracker has to follow


def portrait_frames(portrait: np.ndarray, faces: int) -> Iterator[np.ndarray]:
    """FRAMES frames (1080, 1920, 3) uint8 with `faces` copies of a portrait (FACE, FACE, 3), which
    sway out of step."""
    for index in range(FRAMES):
        image = np.full((1080, 1920, 3), 110, np.uint8)
        for k in range(faces):
            row, column = divmod(k, COLUMNS)
            sway = SWAY * np.sin(index / 8 + k)
            x, y = int(column * SLOT[0] + 20 + sway), int(row * SLOT[1] + 30)
            image[y : y + FACE, x : x + FACE] = portrait
        yield image


def scaled_frames(images: list[np.ndarray], height: int) -> Iterator[np.ndarray]:
    """The images (H, W, 3) at another height; the aspect ratio is kept."""
    for image in images:
        width = round(image.shape[1] * height / image.shape[0])
        yield cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def frame_ms(frames: Iterator[np.ndarray], networks: Networks) -> float:
    """Mean milliseconds per frame from pixels to overlay, after a first pass over the same frames.
    The second pass has a pipeline of its own, so that it starts without tracks."""
    images, seconds = list(frames), 0.0
    for _ in range(2):
        pipeline = Pipeline(*networks, FPS)
        start = time.perf_counter()
        for index, image in enumerate(images):
            annotate(image, pipeline.process(Frame(image, index, index / FPS, "scaling")).faces)
        seconds = time.perf_counter() - start
    return seconds / len(images) * 1e3


def measure(clip: str, networks: Networks) -> dict[str, dict[int, float]]:
    """Milliseconds per frame by the number of faces ("faces") and by the height of the frame in
    pixels ("height"). Raises UserError if the first frame has no face."""
    with video_source(clip) as source:
        images = [frame.image for frame in islice(source, FRAMES)]
    found = networks.detector.detect(images[0])
    if not len(found):
        raise UserError(f"the first frame of {clip} has no face")
    portrait = _portrait(images[0], found.boxes)
    return {
        "faces": {n: frame_ms(portrait_frames(portrait, n), networks) for n in FACES},
        "height": {h: frame_ms(scaled_frames(images, h), networks) for h in HEIGHTS},
    }


def _portrait(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The largest face with some background, as a square (FACE, FACE, 3)."""
    x1, y1, x2, y2 = boxes[np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))]
    half = 0.9 * max(x2 - x1, y2 - y1)
    centre = ((x1 + x2) / 2, (y1 + y2) / 2)
    side = max(int(2 * half), 1)
    return cv2.resize(cv2.getRectSubPix(image, (side, side), centre), (FACE, FACE))


def plot(result: dict[str, dict[int, float]], path: Path) -> None:
    """Plot frames per second against the number of faces and against the frame height."""
    from models.plots import BLUE, label, new_figure, save_figure

    figure, axes = new_figure(10, 4, columns=2)
    labels = {"faces": "faces in a 1920×1080 frame", "height": "frame height, pixels"}
    for axis, (name, times) in zip(axes, result.items(), strict=True):
        axis.plot(list(times), [1e3 / ms for ms in times.values()], "o-", color=BLUE)
        axis.set(ylim=(0, None))
        label(axis, labels[name], "frames per second")
    figure.suptitle("Detection, tracking, estimation and overlay, without decoding")
    save_figure(figure, path)


def run(clip: str, model: str, folder: Path) -> None:
    """Measure, write sweep.json and sweep.png, print."""
    make_folder(folder)
    with networks(Options(model=model, device="cpu")) as loaded:
        result = measure(clip, loaded)
    record = result | {"machine": machine()}
    (folder / "sweep.json").write_text(json.dumps(record, indent=2) + "\n")
    plot(result, folder / "sweep.png")
    for name, times in result.items():
        for value, ms in times.items():
            print(f"{name} {value:>5}: {ms:6.2f} ms, {1e3 / ms:6.1f} fps")
    slope = np.polyfit(list(result["faces"]), list(result["faces"].values()), 1)[0]
    print(f"one more face costs {slope:.2f} ms per frame")


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.bench.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip", help="video file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for sweep.json and sweep.png",
    )
    parser.add_argument("--model", default=Options.model, help="network (%(default)s)")
    args = parser.parse_args(argv)
    return guarded("demo.bench.scaling", lambda: run(args.clip, args.model, args.output))


if __name__ == "__main__":
    sys.exit(main())
