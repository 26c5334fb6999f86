"""Pictures: fitted into a size, and written to files."""

from pathlib import Path

import cv2
import numpy as np

from demo.errors import UserError


def letterbox(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image (H, W, 3) uint8 as large as it fits into a size, with its aspect ratio, on black:
    (height, width, 3)."""
    scale, left, top = letterbox_scale(image.shape, height, width)
    inner = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    fitted = np.zeros((height, width, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=how
    )
    return fitted


def letterbox_scale(shape: tuple[int, ...], height: int, width: int) -> tuple[float, int, int]:
    """Scale, and left upper corner in pixels, of an image of `shape` (H, W, …) in its letterbox."""
    scale = min(height / shape[0], width / shape[1])
    left, top = (width - round(shape[1] * scale)) // 2, (height - round(shape[0] * scale)) // 2
    return scale, left, top


def _is_written_by_opencv(suffix: str) -> bool:
    # of a whole name, the binding takes text alone: a byte that is none crashes the process
    return suffix.isascii() and cv2.haveImageWriter(f"name{suffix}")


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 BGR in the format of its suffix, as JPEG if that names none.
    Raises UserError."""
    height, width = image.shape[:2]
    try:
        suffix = path.suffix if _is_written_by_opencv(path.suffix) else ".jpg"
        done, code = cv2.imencode(suffix, image)
        if not done:
            raise UserError(
                f"cannot write {path}: its format does not take {width}x{height} pixels"
            )
        path.write_bytes(code.tobytes())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
