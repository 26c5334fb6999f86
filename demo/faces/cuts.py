"""Cuts in edited video: from one frame to the next, another picture."""

from collections import deque
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 48  # pixels, shorter side of the small picture in which frames are compared
BLOCK = 12  # pixels of the small picture, side of a block
TEXTURE = 4.0  # least standard deviation of the gray levels of a block that can be compared
SATURATED, DARK = 250, 3  # gray levels: pixels at these ends show no structure
MAX_CLIPPED = 0.25  # of the pixels of a block that can be compared
BAR = 16  # gray level: rows and columns at the edges without a lighter pixel are black bars
ALMOST = 3.0  # gray levels, mean difference up to which two small pictures are the same shot
STRUCTURE = 12.0  # standard deviation of the gray levels of a picture that is not faded out
ALIKE = 0.8  # correlation from which two blocks show the same
MIN_BLOCKS = 3  # with fewer comparable blocks, a frame decides nothing: a flash, a fade to black
SURE_SHARE = 0.75  # of the blocks: with so many in their old places there is no cut
SAME_SHOT = 0.4  # of the blocks that one motion must explain; unrelated pictures reach 0.33
MOTION = 0.5  # of the sides of the picture: greatest motion between two frames
TOLERANCE = 2  # pixels of the small picture: blocks of one motion differ by so much, for zoom, roll
OVERLAP = 0.8  # of the blocks: motion that moves more of them out of the picture explains less
FEW_BLOCKS = 6  # with fewer blocks, chance explains too many of them
FACE = 32  # pixels, side of the face crop that is looked for after a cut
FEW = 16  # pixels along each side of a box, for a quick look
FACE_MOVE = 0.25  # of the sides of the box: how far the same face may have moved
SAME_FACE = 0.9  # correlation; crops of two people at the same place reach 0.85
OTHER_FACE = 0.6  # correlation; from frame to frame, crops of one person stay above 0.66
BLENDED_FRAMES = 2  # at most, that mix two shots between them


class _View:
    """A small picture of a frame, and the statistics of its blocks, made when they are needed."""

    def __init__(self, small: np.ndarray) -> None:
        self.small = small  # (rows * BLOCK, columns * BLOCK) uint8 gray

    @cached_property
    def means(self) -> np.ndarray:
        """Of the blocks, (rows, columns) float32."""
        return _block_means(self.small)

    @cached_property
    def deviations(self) -> np.ndarray:
        """Standard deviations of the blocks, (rows, columns) float32."""
        squares = _block_means(self.small.astype(np.float32) ** 2)
        spread: np.ndarray = np.sqrt(np.maximum(squares - self.means**2, 0.0))
        return spread

    @cached_property
    def comparable(self) -> np.ndarray:
        """Mask (rows, columns) of the blocks with structure."""
        clipped = ((self.small >= SATURATED) | (self.small <= DARK)).astype(np.float32)
        textured = (self.deviations > TEXTURE) & (_block_means(clipped) < MAX_CLIPPED)
        mask: np.ndarray = textured & _inside_bars(self.small)
        return mask

    def is_almost(self, other: "_View") -> bool:
        """Whether the pixels hardly differ: a quick test that decides for most frames."""
        if self.small.shape != other.small.shape or self.small.std() < STRUCTURE:
            return False
        return float(cv2.absdiff(self.small, other.small).mean()) < ALMOST


class Change(NamedTuple):
    """What changed from the last frame to this one."""

    before: np.ndarray | None  # (H, W, 3), the last frame with structure; None: hardly anything
    cut: bool = False  # the whole picture changed: a new shot begins
    blank: bool = False  # this frame shows almost no structure


class CutDetector:
    """Compares every frame of one video or camera with the ones before it.

    The gray levels of blocks are compared by correlation, so that changes of brightness do not
    matter. A frame that shows almost no structure decides nothing; the next one is then compared
    with the last one that did. A dissolve changes too little from frame to frame.
    """

    def __init__(self) -> None:
        self._views: deque[_View] = deque(maxlen=BLENDED_FRAMES + 1)  # of this shot, newest last
        self._image: np.ndarray | None = None  # (H, W, 3), the frame of the newest view

    def compare(self, image: np.ndarray) -> Change:
        """Take the next frame (H, W, 3) uint8 BGR."""
        view, change = _View(_shrunk(image)), Change(None)
        almost = bool(self._views) and view.is_almost(self._views[-1])
        if not almost and view.comparable.sum() < MIN_BLOCKS:
            return Change(None, blank=True)
        if self._views and not almost:
            change = Change(self._image, self._is_cut(view))
        if change.cut:
            self._views.clear()
        self._views.append(view)
        self._image = image
        return change

    def _is_cut(self, view: _View) -> bool:
        """Whether the picture is another one than the last. If it is half the same, the last one
        may have been a blend of two shots: then an older one decides."""
        share = _share_alike(self._views[-1], view)
        if share < SAME_SHOT or share >= SURE_SHARE:
            return share < SAME_SHOT
        return _share_alike(self._views[0], view) < SAME_SHOT


def likeness(before: np.ndarray, after: np.ndarray, boxes: np.ndarray, enough: float) -> np.ndarray:
    """Correlations (N,), -1 .. 1, of the pixels in face boxes (N, 4) xyxy, pixels, of one image
    with those near the same places of the next image (H, W, 3) uint8 BGR; nan where a crop is
    overexposed. The boxes refer to the size of `after`. A face is looked for around its place
    only if a few of its pixels correlate less than `enough` at the very place."""
    if before.shape != after.shape:
        before = cv2.resize(before, after.shape[1::-1])
    margin = round(FACE * FACE_MOVE)
    found = np.full(len(boxes), np.nan)
    for row, box in enumerate(boxes):
        found[row] = _in_place(before, after, box)
        if found[row] >= enough:
            continue
        face, around = _crop(before, box, FACE, 0), _crop(after, box, FACE, margin)
        found[row] = cv2.matchTemplate(around, face, cv2.TM_CCOEFF_NORMED).max()
        if max((face >= SATURATED).mean(), (around >= SATURATED).mean()) >= MAX_CLIPPED:
            found[row] = np.nan
    return found


def _in_place(before: np.ndarray, after: np.ndarray, box: np.ndarray) -> float:
    """Correlation of FEW x FEW pixels in a box; 0 where there is nothing to compare."""
    x1, y1, x2, y2 = np.maximum(box, 0).astype(int).tolist()
    across, down = max((x2 - x1) // FEW, 1), max((y2 - y1) // FEW, 1)
    old, new = (image[y1:y2:down, x1:x2:across, 1].ravel() for image in (before, after))
    if old.size == 0:
        return 0.0
    old, new = old - old.mean(), new - new.mean()
    return float(old @ new / max(np.sqrt((old @ old) * (new @ new)), 1.0))


def _crop(image: np.ndarray, box: np.ndarray, side: int, margin: int) -> np.ndarray:
    """Gray crop (side + 2 margin, same) uint8 of a box, of which `side` pixels are the box."""
    scale = side / np.maximum(box[2:] - box[:2], 1.0)
    shift = margin - box[:2] * scale
    transform = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    size = (side + 2 * margin,) * 2
    crop = cv2.warpAffine(image, transform, size, borderMode=cv2.BORDER_REPLICATE)
    return cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)


def _shrunk(image: np.ndarray) -> np.ndarray:
    """The small picture, gray, with whole blocks: first by interpolation to twice its size, then by
    area averaging, which is fast and damps noise."""
    scale = SIDE / min(image.shape[:2])
    rows, columns = (max(round(n * scale / BLOCK), 1) for n in image.shape[:2])
    double = cv2.resize(image, (2 * columns * BLOCK, 2 * rows * BLOCK))
    gray = cv2.cvtColor(double, cv2.COLOR_BGR2GRAY)
    return cv2.resize(gray, (columns * BLOCK, rows * BLOCK), interpolation=cv2.INTER_AREA)


def _block_means(picture: np.ndarray) -> np.ndarray:
    """Mean (rows, columns) float32 of every block."""
    size = picture.shape[1] // BLOCK, picture.shape[0] // BLOCK
    return cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def _inside_bars(small: np.ndarray) -> np.ndarray:
    """Mask (rows, columns) of the blocks that hold no part of a black bar: the edges of bars are
    the same in all shots."""
    rows, columns = small.shape[0] // BLOCK, small.shape[1] // BLOCK
    inside = np.ones((rows, columns), bool)
    for axis, count in ((1, rows), (0, columns)):
        lit = np.flatnonzero(small.max(axis=axis) > BAR)
        low, high = (lit[0], lit[-1] + 1) if len(lit) else (0, 0)
        starts = np.arange(count) * BLOCK
        whole = (starts >= low) & (starts + BLOCK <= high)
        inside &= whole[:, None] if axis == 1 else whole
    return inside


def _share_alike(old: _View, new: _View) -> float:
    """Share of the comparable blocks of `new` that `old` explains, in place or moved."""
    if old.small.shape != new.small.shape:
        old = _View(cv2.resize(old.small, new.small.shape[::-1], interpolation=cv2.INTER_AREA))
    in_place = _share_in_place(old, new)
    return in_place if in_place >= SURE_SHARE else max(in_place, _share_moved(old, new))


def _share_in_place(old: _View, new: _View) -> float:
    """Share of the comparable blocks of `new` that show the same as in `old`."""
    product = _block_means(old.small.astype(np.float32) * new.small)
    spread = old.deviations * new.deviations
    alike = product - old.means * new.means > ALIKE * spread
    return float((alike & old.comparable)[new.comparable].mean())


def _share_moved(old: _View, new: _View) -> float:
    """Share of the comparable blocks of `new` that one motion of `old` explains, the best one."""
    height, width = new.small.shape
    far_y, far_x = round(height * MOTION), round(width * MOTION)
    padded = cv2.copyMakeBorder(
        old.small, far_y, far_y, far_x, far_x, cv2.BORDER_CONSTANT, value=(0,)
    )
    near = np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)
    votes = np.zeros((2 * far_y + 1, 2 * far_x + 1), np.float32)  # blocks explained, by motion
    visible = np.zeros_like(votes)  # blocks whose old place was in the picture, by motion
    for row, column in np.argwhere(new.comparable):
        y, x = row * BLOCK, column * BLOCK
        around = padded[y : y + 2 * far_y + BLOCK, x : x + 2 * far_x + BLOCK]
        block = new.small[y : y + BLOCK, x : x + BLOCK]
        alike = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED) > ALIKE
        votes += cv2.dilate(alike.astype(np.uint8), near)
        visible += np.outer(_in_old(y, far_y, height), _in_old(x, far_x, width))
    count = int(new.comparable.sum())
    return float((votes / np.maximum(visible, max(OVERLAP * count, FEW_BLOCKS))).max())


def _in_old(start: int, far: int, length: int) -> np.ndarray:
    """Mask (2 far + 1,) of the motions along one axis whose block began inside the old picture."""
    places = start + np.arange(-far, far + 1)
    mask: np.ndarray = (places >= -TOLERANCE) & (places + BLOCK <= length + TOLERANCE)
    return mask
