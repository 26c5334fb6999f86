"""A clip as that of a camera: of another size and rate, and as Chromium's pretended camera."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from demo.bench.clips import video_source

MAX_FRAMES = 300  # ten seconds: a camera plays them in a loop
QUALITY = 90  # of JPEG, 0 to 100


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of an image (H, W, 3), scaled to fill a size (width, height)."""
    height, width = image.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    kept_width, kept_height = (
        min(round(s / scale), limit) for s, limit in zip(size, (width, height), strict=True)
    )
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    part = image[top : top + kept_height, left : left + kept_width]
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def write_sized(clip: str, path: str, size: tuple[int, int], fps: float) -> None:
    """Write the first frames of a clip as H.264. Raises UserError for an unusable clip."""
    with video_source(clip) as source, av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "veryfast", "crf": "20"}
        for frame in source:
            image = fitted(frame.image, size)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            if frame.index == MAX_FRAMES - 1:
                break
        container.mux(stream.encode(None))


def write_mjpeg(clip: str, path: Path) -> Path:
    """Write a clip as JPEG pictures one after the other; the path."""
    with video_source(clip) as source, path.open("wb") as file:
        for frame in source:
            _, jpeg = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            file.write(jpeg.tobytes())
    return path
