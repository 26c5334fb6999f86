"""The options of a run, as the command line and programs give them."""

import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Everything that can be chosen for a run. A value: it can be compared, pickled and changed by
    `dataclasses.replace`."""

    # sources
    sources: tuple[str, ...] = ()  # cameras, files, folders, addresses; none: camera 0
    give_up: float = math.inf  # seconds without a frame after which a live source has failed
    max_frames: int | None = None  # end after so many frames

    # outputs
    output: Path | None = None  # recording: a video file, or a folder for photos
    output_folder: bool = False  # `output` is a folder, whatever its name looks like
    encoder: str = "auto"  # of a video: "x264", or one of the hardware, as "nvenc"
    quality: str = "normal"  # of a video: "small" for small files, or "high"
    log: Path | None = None  # results of every frame: .jsonl or .csv
    summary: Path | None = None  # the session in one file: .json or .html
    display: bool = False  # open a window, where there is a display
    anonymize: str | None = None  # cover heads: "blur", "pixelate" or "mask"

    # the web page
    serve: str | None = None  # PORT or HOST:PORT
    serve_cameras: bool = False  # viewers may use cameras of their own
    serve_name: tuple[str, ...] = ()  # further names of this machine, by which browsers ask
    token_file: Path | None = None  # holds the token that every request needs
    make_token: bool = False  # make one for this run
    tls_cert: Path | None = None  # certificate chain (PEM): https
    tls_key: Path | None = None  # its key (PEM), where it is another file

    # history
    store: Path | None = None  # database of visits, continued by each run: .db or .sqlite
    keep_days: int | None = None  # days after which its rows are deleted; None: never

    # detection
    detector: str = "mtcnn"  # or "dlib"
    detect_every: int | None = None  # frames from one search of the whole frame to the next: 8
    min_face: int | None = None  # pixels; None: 20, in large frames a 34th of the shorter side
    budget_ms: float | None = None  # mean time per frame above which less work is done

    # estimation
    min_quality: float = 0.1  # 0..1: crops of lower quality are ignored
    model: str = "ssrnet-joint"  # a model in models/weights, or the path of a manifest (.json)
    weights: Path | None = None  # a weights file with its manifest beside it, in place of `model`
    margin: float | None = None  # around the face, as a share of its side; None: as in training
    device: str = "auto"  # "cpu", "gpu", or "auto": a GPU if ONNX Runtime can use one
