"""`python -m tests.fuzz`: damaged videos, photos, manifests and weights files through the readers.

Every case is a good file with flipped bits, cut, or with pieces doubled, overwritten or taken from
another. It must be read or refused in one line, within 10 seconds and 1 GB. The readers run in a
process of their own, which is started again after a crash or a hang. Exit code 1 where one failed.
"""

import argparse
import hashlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from demo.sources.open import open_source
from models.errors import AgeStreamError
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import WEIGHTS, load_manifest

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("video", "photo", "manifest", "weights")
HANG_SECONDS, START_SECONDS = 10.0, 120.0
MOST_MB = 1024
FRAMES = 40  # read of a video
MODEL = "ssrnet-joint"


def originals(kind: str, folder: Path) -> list[Path]:
    """Good files of a kind, made in the folder or shipped."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (128, 96))
    if kind == "video":
        paths = [folder / f"good.{suffix}" for suffix in ("mp4", "mkv", "avi", "gif", "webm")]
        for path in paths:
            _write_video(path, image)
        return paths
    if kind == "photo":
        paths = [folder / f"good.{suffix}" for suffix in "png jpg bmp webp tif".split()]
        for path in paths:
            cv2.imwrite(str(path), image)
        return paths
    manifest = load_manifest(MODEL)
    return [manifest.file("onnx") if kind == "weights" else WEIGHTS / f"{MODEL}.json"]


def _write_video(path: Path, image: np.ndarray) -> None:
    codec = {".gif": "gif", ".webm": "libvpx", ".avi": "mpeg4"}.get(path.suffix, "h264")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for k in range(12):
            rolled = np.ascontiguousarray(np.roll(image, 5 * k, axis=1))
            picture = av.VideoFrame.from_ndarray(rolled, format="bgr24")
            container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))


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


def read(kind: str, path: Path) -> None:
    """As stream.py does. Raises AgeStreamError where it refuses."""
    if kind in ("video", "photo"):
        with open_source(str(path)) as source:
            for _ in islice(source, FRAMES):
                pass
        return
    Estimator(load_manifest(str(path)), choose_device("cpu"))


def prepared(kind: str, content: bytes, name: str, folder: Path, honest: bool) -> Path:
    """The damaged file as a reader takes it; for weights, a manifest whose hash is theirs."""
    path = folder / name
    path.write_bytes(content)
    if kind == "manifest":
        onnx = load_manifest(MODEL).file("onnx")
        beside = folder / onnx.name
        if not beside.exists():
            beside.write_bytes(onnx.read_bytes())
    if kind != "weights":
        return path
    record = json.loads((WEIGHTS / f"{MODEL}.json").read_text())
    digest = hashlib.sha256(content if honest else b"").hexdigest()
    record["files"] = {"onnx": {"name": name, "sha256": digest}}
    manifest = path.with_suffix(".json")
    manifest.write_text(json.dumps(record))
    return manifest


def work(kind: str, seed: int, first: int, count: int) -> None:
    """Read the cases and print a line before and after each; the child's side of `fuzz`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = originals(kind, folder)
        for case in range(first, first + count):
            rng = np.random.default_rng([seed, KINDS.index(kind), case])
            chosen, other = good[case % len(good)], good[int(rng.integers(0, len(good)))]
            content = mutated(chosen.read_bytes(), other.read_bytes(), rng)
            path = prepared(kind, content, f"case{chosen.suffix}", folder, case % 10 != 0)
            print("case", case, flush=True)
            Path("/proc/self/clear_refs").write_text("5")  # the peak is of this case
            try:
                read(kind, path)
                outcome = "read"
            except AgeStreamError as error:
                outcome = "refused" if "\n" not in str(error) else f"two lines: {error!r}"
            except BaseException as error:  # whatever it is, it is a finding
                outcome = f"{type(error).__name__}: {error!r}"
            peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
            if int(peak) / 1024 > MOST_MB:
                outcome = f"{int(peak) // 1024} MB"
            print("end", outcome.replace("\n", " ")[:300], flush=True)


def fuzz(kind: str, seed: int, count: int) -> tuple[Counter[str], list[str]]:
    """Outcomes of so many cases, and a line for each that failed."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    first = 0
    while first < count:
        first = _batch(kind, seed, first, count - first, outcomes, failures)
    return outcomes, failures


def _batch(
    kind: str, seed: int, first: int, count: int, outcomes: Counter[str], failures: list[str]
) -> int:
    """Cases from `first` on until one ends the process; the case to go on with."""
    line = [sys.executable, "-m", "tests.fuzz", "--work", kind, str(seed), str(first), str(count)]
    quiet = os.environ | {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
    child = subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet, bufsize=0
    )
    assert child.stdout is not None
    case, reading = first, False
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(HANG_SECONDS if reading else START_SECONDS):
                child.kill()
                what = f"hangs for {HANG_SECONDS:.0f} s"
                break
            word, _, rest = child.stdout.readline().decode(errors="replace").partition(" ")
            rest = rest.strip()
            if word == "case":
                case, reading = int(rest), True
            elif word == "end":
                reading = False
                outcomes[rest if rest in ("read", "refused") else "failed"] += 1
                if rest not in ("read", "refused"):
                    failures.append(f"{kind} {case}: {rest}")
            elif not word:
                what = f"ends the process with {child.wait()}"
                break
    child.wait()
    if not reading and child.returncode == 0:
        return first + count
    outcomes["failed"] += 1
    failures.append(f"{kind} {case}: {what}")
    return case + 1


def main(argv: list[str] | None = None) -> int:
    """Fuzz every kind and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="cases in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.work:
        kind, *numbers = args.work
        work(kind, *map(int, numbers))
        return 0
    found: list[str] = []
    for kind in args.kinds:
        outcomes, failures = fuzz(kind, args.seed, args.count // len(args.kinds))
        told = ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
        print(f"{kind}: {told}", *failures, sep="\n  ", flush=True)
        found += failures
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
