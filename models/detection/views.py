"""Changed copies of an image, in which a detector finds faces that it misses in the image itself:
with more contrast, with room around the faces, smaller, turned."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

GRAY_PIXEL = 127  # outside the image: becomes 0 in the networks
EDGE = 0.3  # of the shorter side: gray border
LONGEST = 4  # times the shorter side allowed: longer side of a shrunk copy of a panorama
CLAHE_CLIP, CLAHE_TILES = 3.0, 4  # contrast limit, tiles per side


@dataclass(frozen=True, eq=False)
class View:
    """A changed copy of an image."""

    image: np.ndarray  # (h, w, 3) uint8, BGR
    matrix: np.ndarray  # (2, 3) float64, from pixels of the original to pixels of `image`
    size: tuple[int, int]  # width and height of the original, pixels

    @classmethod
    def bordered(cls, image: np.ndarray, side: int | None = None) -> Self:
        """An image (H, W, 3) with a gray border, shrunk first if its shorter side exceeds `side`
        pixels."""
        return cls._bordered(*_shrunk(image, side))

    @classmethod
    def enhanced(cls, image: np.ndarray, side: int | None = None) -> Self:
        """The same after contrast-limited histogram equalization (CLAHE, Zuiderveld 1994)."""
        image, zooms = _shrunk(image, side)
        luma = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
        luma[..., 0] = cv2.createCLAHE(CLAHE_CLIP, (CLAHE_TILES, CLAHE_TILES)).apply(luma[..., 0])
        return cls._bordered(cv2.cvtColor(luma, cv2.COLOR_YCrCb2BGR), zooms)

    @classmethod
    def _bordered(cls, image: np.ndarray, zooms: np.ndarray) -> Self:
        edge = int(EDGE * min(image.shape[:2]))
        bordered = cv2.copyMakeBorder(
            image, *(edge,) * 4, cv2.BORDER_CONSTANT, value=(GRAY_PIXEL,) * 3
        )
        size = np.rint(image.shape[1::-1] / zooms).astype(int).tolist()
        return cls(bordered, np.column_stack([np.diag(zooms), (edge, edge)]), (size[0], size[1]))

    @property
    def zoom(self) -> float:
        """Side of a pixel of the original, in pixels of the view."""
        return float(np.sqrt(np.abs(np.linalg.det(self.matrix[:, :2]))))

    def turned(self, degrees: float) -> Self:
        """This view turned clockwise about its centre, with gray corners."""
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn = np.array([[cos, -sin], [sin, cos]]).round(12)  # no 1e-17 at right angles
        old = np.array(self.image.shape[1::-1])
        new = np.ceil(np.abs(turn) @ old).astype(int)
        shift = new / 2 - turn @ (old / 2)
        pixels = shift + turn @ (0.5, 0.5) - 0.5  # OpenCV counts from the centre of the first pixel
        image = cv2.warpAffine(
            self.image,
            np.column_stack([turn, pixels]),
            new.tolist(),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GRAY_PIXEL,) * 3,
        )
        matrix = turn @ self.matrix
        matrix[:, 2] += shift
        return type(self)(image, matrix, self.size)

    def back(self, boxes: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) xyxy and points (N, 5, 2) of this view in pixels of the original. The box of
        a turned face keeps its size."""
        inverse, shift = np.linalg.inv(self.matrix[:, :2]).T, self.matrix[:, 2]
        corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
        centres = (corners.mean(axis=1) - shift) @ inverse
        spread = np.abs(inverse) / np.abs(inverse).sum(axis=0)
        halves = (corners[:, 1] - corners[:, 0]) / 2 @ spread / self.zoom
        return np.hstack([centres - halves, centres + halves]), (points - shift) @ inverse


def _shrunk(image: np.ndarray, side: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The image with a shorter side of at most `side` and a longer one of at most LONGEST times
    `side` pixels, and its zooms along x and y (2,)."""
    sides = np.array(image.shape[1::-1])
    zoom = 1.0 if side is None else min(side / min(sides), LONGEST * side / max(sides))
    if zoom >= 1:
        return image, np.ones(2)
    shape = np.maximum(np.rint(zoom * sides), 1).astype(int)
    return cv2.resize(image, shape.tolist(), interpolation=cv2.INTER_AREA), shape / sides
