"""The inputs of `tests.fuzz`: good files, what is done to them, and how each is read.

Kinds: damaged videos, photos, transparent photos, manifests and weights; videos with any display
matrix; videos with any colour tags; files whose names are any bytes.
"""

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from demo.build import build_run
from demo.options import Options
from demo.sources.open import open_source
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import WEIGHTS, load_manifest

KINDS = ("video", "photo", "manifest", "weights", "matrix", "tags", "transparent", "name")
FRAMES = 40  # read of a video
MODEL = "ssrnet-joint"
ENCODED = [  # codec, pixel format, suffix
    ("h264", "yuv420p", "mp4"),
    ("h264", "yuvj420p", "mkv"),
    ("h264", "yuv420p10le", "mp4"),
    ("h264", "yuv444p", "mov"),
    ("ffv1", "bgr0", "mkv"),
    ("ffv1", "gray", "mkv"),
    ("ffv1", "yuva420p", "mkv"),
]
TAGS = {  # H.273: tables 2 to 4
    "color_primaries": (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22),
    "color_trc": (1, 2, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16, 18),
    "colorspace": (1, 2, 4, 5, 6, 7, 9),
    "color_range": (0, 1, 2),
}
MATRIX_VALUES = (0, 1, -1, 0x10000, -0x10000, 46341, -46341, 1 << 30, -(1 << 31), 2**31 - 1)


def originals(kind: str, folder: Path) -> list[Path]:
    """Good files of a kind, made in the folder or shipped."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (128, 96))
    if kind == "video":
        paths = [folder / f"good.{suffix}" for suffix in ("mp4", "mkv", "avi", "gif", "webm")]
        for path in paths:
            codec = {".gif": "gif", ".webm": "libvpx", ".avi": "mpeg4"}.get(path.suffix, "h264")
            write_video(path, image, codec, "rgb8" if codec == "gif" else "yuv420p")
        return paths
    if kind == "matrix":
        paths = [folder / "good.mp4", folder / "good.mov"]
        for path in paths:
            write_video(path, image)
        return paths
    if kind == "tags":
        return [_tagged(folder, image, case) for case in range(40)]
    if kind in ("photo", "name"):
        paths = [folder / f"good.{suffix}" for suffix in "png jpg bmp webp tif avif".split()]
        for path in paths:
            Image.fromarray(image).save(path)
        return paths
    if kind == "transparent":
        return _transparent(folder, image, rng)
    manifest = load_manifest(MODEL)
    return [manifest.file("onnx") if kind == "weights" else WEIGHTS / f"{MODEL}.json"]


def write_video(
    path: Path,
    image: np.ndarray,
    codec: str = "h264",
    pixels: str = "yuv420p",
    tags: dict[str, int] | None = None,
) -> None:
    """Twelve frames of an image that moves, with colour tags of the codec context."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = pixels
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        for k in range(12):
            rolled = np.ascontiguousarray(np.roll(image, 5 * k, axis=1))
            picture = av.VideoFrame.from_ndarray(rolled, format="bgr24").reformat(format=pixels)
            for name, value in (tags or {}).items():
                setattr(picture, name, value)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _tagged(folder: Path, image: np.ndarray, case: int) -> Path:
    """A video of one of the encodings, of 720 lines or of fewer, with tags chosen at random; with
    fewer of them where the encoder refuses some."""
    rng = np.random.default_rng([9, case])
    codec, pixels, suffix = ENCODED[case % len(ENCODED)]
    path = folder / f"tagged{case}.{suffix}"
    size = (1280, 720) if case % 10 == 0 else (128, 96)
    tags = {name: int(rng.choice(values)) for name, values in TAGS.items()}
    while True:
        try:
            write_video(path, cv2.resize(image, size), codec, pixels, tags)
        except av.error.FFmpegError:
            tags.popitem()
        else:
            return path


def _transparent(folder: Path, image: np.ndarray, rng: np.random.Generator) -> list[Path]:
    """Photos with an alpha channel, or with a transparent palette entry or colour."""
    alpha = rng.integers(0, 256, image.shape[:2], np.uint8)
    colour = Image.fromarray(np.dstack([image, alpha]), "RGBA")
    paths = [folder / f"alpha.{suffix}" for suffix in "png webp tif avif".split()]
    for path in paths:
        colour.save(path)
    gray, palette, key = (folder / f"{name}.png" for name in ("gray", "palette", "key"))
    colour.convert("LA").save(gray)
    colour.convert("RGB").quantize(16).save(palette, transparency=3)
    colour.convert("RGB").save(key, transparency=tuple(int(v) for v in image[0, 0]))
    return [*paths, gray, palette, key]


def mutated(good: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A damaged copy, one to three times; pieces come from `other`."""
    content = bytearray(good)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, max(len(content), 1)) * rng.choice([0.01, 0.1, 1.0]))
        size = int(rng.integers(1, max(len(content) // 8, 2)))
        start = int(rng.integers(0, max(len(other) - size, 1)))
        match rng.integers(0, 6):
            case 0:
                for place in rng.integers(0, max(len(content), 1), rng.integers(1, 64)):
                    if place < len(content):
                        content[place] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del content[at:]
            case 2:
                content[at : at + size] = other[start : start + size]
            case 3:
                content[at:at] = content[at : at + size]
            case 4:
                content[at : at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"])
            case 5:
                del content[at : at + size]
    return bytes(content)


def with_matrix(video: bytes, rng: np.random.Generator) -> bytes:
    """The MP4 or MOV file with a display matrix of likely and unlikely values."""
    content = bytearray(video)
    box = content.find(b"tkhd")
    at = box + 4 + (24 if content[box + 4] == 0 else 36) + 16
    matrix = [int(v) for v in rng.choice(MATRIX_VALUES, 9)]
    if rng.random() < 0.5:  # as in the specification, with any upper left part
        matrix[2] = matrix[5] = 0
        matrix[8] = 1 << 30
    content[at : at + 36] = struct.pack(">9i", *matrix)
    return bytes(content)


def random_name(rng: np.random.Generator) -> bytes:
    """A file name of any bytes but those that no name can hold."""
    size = int(rng.integers(1, 40))
    special = b"\n\r\t\x1b[31m%$`'\";:#?&=+-@\\\xff\xfe\xc3\x28\xed\xb3\xbc \xe2\x80\xae"
    pool = list(special) if rng.random() < 0.5 else list(range(1, 256))
    letters = bytes(int(v) for v in rng.choice(pool, size)).replace(b"/", b"_")
    return b"n" + letters  # no hidden file


def reader(
    kind: str, good_files: tuple[Path, Path], folder: Path, rng: np.random.Generator, number: int
) -> Callable[[], object]:
    """Make a case of one good file and pieces of another in an empty folder. The function that is
    returned reads it as stream.py does, and raises AgeStreamError where it refuses."""
    good, other = good_files
    path = folder / f"case{good.suffix}"
    if kind == "name":
        return _name_reader(good, folder, rng)
    content = good.read_bytes()
    if kind == "matrix":
        content = with_matrix(content, rng)
    elif kind not in ("tags", "transparent") or number % 3 == 0:
        content = mutated(content, other.read_bytes(), rng)
    if kind in ("manifest", "weights"):
        path = _manifest(kind, content, folder, honest=number % 10 != 0)
        return lambda: Estimator(load_manifest(str(path)), choose_device("cpu"))
    path.write_bytes(content)
    return lambda: _read_source(path)


def _read_source(path: Path) -> None:
    with open_source(str(path)) as source:
        for _ in islice(source, FRAMES):
            pass


def _name_reader(good: Path, folder: Path, rng: np.random.Generator) -> Callable[[], None]:
    """A run with all outputs, of a photo and into files with names of any bytes."""
    names = [os.fsdecode(random_name(rng)) for _ in range(4)]
    suffixes = (good.suffix, ".png", rng.choice([".csv", ".jsonl"]), rng.choice([".html", ".json"]))
    source, output, log, summary = (
        folder / f"{name}{suffix}" for name, suffix in zip(names, suffixes, strict=True)
    )
    source.write_bytes(good.read_bytes())
    chosen = Options((str(source),), output=output, log=log, summary=summary, display=False)

    def run() -> None:
        with build_run(chosen) as built:
            built.session.run()

    return run


def _manifest(kind: str, content: bytes, folder: Path, honest: bool) -> Path:
    """A damaged manifest, or one of damaged weights, with their hash if it is `honest`."""
    record = json.loads((WEIGHTS / f"{MODEL}.json").read_text())
    path = folder / "case.json"
    if kind == "manifest":
        path.write_bytes(content)
        onnx = load_manifest(MODEL).file("onnx")
        shutil.copy(onnx, folder / onnx.name)
        return path
    (folder / "case.onnx").write_bytes(content)
    digest = hashlib.sha256(content if honest else b"").hexdigest()
    record["files"] = {"onnx": {"name": "case.onnx", "sha256": digest}}
    path.write_text(json.dumps(record))
    return path
