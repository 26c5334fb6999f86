"""C3AE's cascade context: three crops of one face, outer, middle and inner, all as one array.

The authors cut them from a chip of margin 0.4 in which the face was detected a second time, with
black beyond the chip. A second detection would cost more than the network, so here the box and the
nose are those that are usual in such a chip, and the three crops are fixed parts of it.
"""

import numpy as np

from models.crops.spec import CHIP

# Median box and mean nose of MTCNN in such chips of 400 photos of All-Age-Faces, in the unit face
# square of models.crops.align
BOX = np.array([-0.0924, -0.3549, 1.0502, 1.1665])
NOSE = np.array([0.4904, 0.5496])


def context_squares(box: np.ndarray, nose: np.ndarray) -> np.ndarray:
    """Outer, middle and inner square (3, 4) xyxy of a face's box (4,) xyxy and its nose (2,).

    The outer one, which only a square box makes a square, is the box grown by |w - h| on every
    side; the middle one reaches from the nose as far as the box's top, the inner one half a width.
    """
    width, height = box[2:] - box[:2]
    grown = abs(width - height)
    outer = box + np.array([-grown, -grown, grown, grown])
    around = [np.concatenate([nose - r, nose + r]) for r in (nose[1] - box[1], width / 2)]
    return np.stack([outer, *around])


def context_transforms(chip_size: int, size: int) -> np.ndarray:
    """Transforms (3, 2, 3) from the pixels of a chip of margin 0.4 to those of the three crops."""
    squares = (context_squares(BOX, NOSE) + CHIP.margin) / (1 + 2 * CHIP.margin) * chip_size
    zoom = size / (squares[:, 2:] - squares[:, :2])
    shift = (0.5 - squares[:, :2]) * zoom - 0.5  # pixel centres
    return np.concatenate([zoom[:, None] * np.eye(2), shift[..., None]], axis=-1)


def middle_crop(crops: np.ndarray) -> np.ndarray:
    """The part (…, 3) of crops (…, 3 or 9) that shows the usual chip: of context, the middle."""
    middle = crops.shape[-1] // 2
    return crops[..., middle - 1 : middle + 2]
