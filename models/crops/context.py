"""C3AE's context crops: an outer, a middle and an inner crop of one face, in one array.

The authors detect the face a second time in a chip of margin 0.4 and crop from there, with black
outside the chip. A second detection would cost more than the network. Here, box and nose are the
usual ones in such a chip, so that the three crops are fixed parts of it.
"""

import numpy as np

from models.crops.spec import CHIP

# Median box and mean nose of MTCNN in such chips of 400 photos of All-Age-Faces, in the unit face
# square of models.crops.align
BOX = np.array([-0.0924, -0.3549, 1.0502, 1.1665])
NOSE = np.array([0.4904, 0.5496])


def context_squares(box: np.ndarray, nose: np.ndarray) -> np.ndarray:
    """Outer, middle and inner square (3, 4) xyxy of a face's box (4,) xyxy and its nose (2,).

    The outer one is the box, grown by |w - h| on every side: a square only if the box is one. The
    middle one is centred on the nose and reaches up to the top of the box, the inner one is centred
    there too and as wide as the box.
    """
    width, height = box[2:] - box[:2]
    grown = abs(width - height)
    outer = box + np.array([-grown, -grown, grown, grown])
    centred = [np.concatenate([nose - r, nose + r]) for r in (nose[1] - box[1], width / 2)]
    return np.stack([outer, *centred])


def context_transforms(chip_size: int, size: int) -> np.ndarray:
    """Transforms (3, 2, 3) from the pixels of a chip of margin 0.4 to those of the three crops."""
    squares = (context_squares(BOX, NOSE) + CHIP.margin) / (1 + 2 * CHIP.margin) * chip_size
    zoom = size / (squares[:, 2:] - squares[:, :2])
    shift = (0.5 - squares[:, :2]) * zoom - 0.5  # pixel centres
    return np.concatenate([zoom[:, None] * np.eye(2), shift[..., None]], axis=-1)


def middle_crop(crops: np.ndarray) -> np.ndarray:
    """The channels (…, 3) of crops (…, 3 or 9) that show the usual chip: all, or the middle crop of
    three."""
    middle = crops.shape[-1] // 2
    return crops[..., middle - 1 : middle + 2]
