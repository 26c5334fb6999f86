"""How a decoded frame is turned and mirrored so that it is upright, as players show it."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type

# Of display matrices: how far from a quarter turn players still take one for it.
MAX_SKEW = math.sin(math.radians(5))
UNKNOWN_TYPES = range(28, 36)  # of side data in FFmpeg 8, that PyAV 18 has no name for


class Turn(NamedTuple):
    """The step from the stored picture to the upright one: first transpose, then mirror."""

    transposed: bool = False  # rows become columns
    mirrored: bool = False  # left and right change places
    flipped: bool = False  # top and bottom change places


AS_STORED = Turn()


def turn_of(decoded: av.VideoFrame) -> Turn | None:
    """How a decoded frame is made upright; None if its display matrix is invalid.

    The matrix comes from the container or from the video itself (H.264 and H.265).
    """
    try:
        matrices = _matrices(decoded)
    except ValueError:  # PyAV refuses all side data where it does not know a part: Exif, views
        matrices = _matrices(_with_known_side_data(decoded))
    return turn_of_matrix(np.frombuffer(matrices[0], np.int32)) if matrices else AS_STORED


def turn_of_matrix(matrix: np.ndarray) -> Turn | None:
    """The turn that a display matrix (9,) stands for, None if it is invalid or of an odd angle.

    The matrix is row-major and takes (x, y, 1) of the stored picture as a row vector to the shown
    one. Its scale is ignored, as FFmpeg ignores it.
    """
    linear = np.asarray(matrix, float).reshape(3, 3)[:2, :2]  # x' = a x + c y, y' = b x + d y
    scale = np.hypot(linear[0], linear[1])  # of x' and y'
    if not scale.all():
        return None
    unit = linear / scale
    nearest = np.rint(unit)
    if np.abs(unit - nearest).max() > MAX_SKEW or np.abs(nearest).sum() != 2:
        return None
    if abs(np.linalg.det(nearest)) != 1:
        return None
    mirrored, flipped = nearest.sum(axis=0) < 0
    return Turn(bool(nearest[0, 0] == 0), bool(mirrored), bool(flipped))


def upright(image: np.ndarray, turn: Turn) -> np.ndarray:
    """The image (H, W, 3) turned, in memory of its own if it is."""
    if turn == AS_STORED:
        return image
    if turn.transposed:
        image = image.swapaxes(0, 1)
    rows, columns = (-1 if back else 1 for back in (turn.flipped, turn.mirrored))
    return np.ascontiguousarray(image[::rows, ::columns])


def _matrices(decoded: av.VideoFrame) -> list[Any]:
    # `decoded.side_data` would make a cycle, so that the memory of frames is freed late.
    parts: Iterable[Any] = SideDataContainer(decoded)  # type: ignore[call-arg]
    return [part for part in parts if part.type is Type.DISPLAYMATRIX]


def _with_known_side_data(decoded: av.VideoFrame) -> av.VideoFrame:
    """The same frame without the side data that PyAV does not know."""
    graph = Graph()
    node: Any = graph.add_buffer(
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        time_base=Fraction(1, 1000),
    )
    for kind in UNKNOWN_TYPES:
        following = graph.add("sidedata", f"mode=delete:type={kind}")
        node.link_to(following)
        node = following
    node.link_to(graph.add("buffersink"))
    graph.configure()
    graph.push(decoded)
    known = graph.pull()
    assert isinstance(known, av.VideoFrame)
    return known
