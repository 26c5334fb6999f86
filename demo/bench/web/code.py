"""A number drawn into a picture as black and white cells, which survives scaling and JPEG."""

import time

import numpy as np

from demo.bench.clips import ClipCamera

BITS, CHECK_BITS = 16, 4  # of the number, and of its check
CHECK_OFFSET = 5  # added to the count of its ones: pictures of one colour hold no number
CELLS = BITS + CHECK_BITS
CELL_SHARE = 1 / 40  # side of a cell, as a share of the picture's width; they begin in its corner
COUNT = 1 << BITS
MIDDLE_GREY = 127

# The same in a page, for an image that can be drawn: its number, or null where there is none.
READER = f"""
const cells = {CELLS}, bits = {BITS}, side = 8;
const strip = new OffscreenCanvas(cells * side, side);
const probe = strip.getContext("2d", {{willReadFrequently: true}});
window.numberOf = (image) => {{
  const cell = image.width * {CELL_SHARE};
  probe.drawImage(image, 0, 0, cells * cell, cell, 0, 0, cells * side, side);
  const pixels = probe.getImageData(0, side / 2, cells * side, 1).data;
  let number = 0, check = 0, ones = 0;
  for (let k = 0; k < cells; k++) {{
    const one = pixels[4 * (k * side + side / 2) + 1] > {MIDDLE_GREY} ? 1 : 0;
    if (k < bits) {{ number = 2 * number + one; ones += one; }}
    else check = 2 * check + one;
  }}
  return check === (ones + {CHECK_OFFSET}) % {1 << CHECK_BITS} ? number : null;
}};
"""


def draw(image: np.ndarray, number: int) -> None:
    """Draw a number from 0 to COUNT - 1 into an image (H, W, 3) uint8."""
    cell = image.shape[1] * CELL_SHARE
    word = number << CHECK_BITS | _check(number)
    for place in range(CELLS):
        left, right = round(place * cell), round((place + 1) * cell)
        bit = word >> (CELLS - 1 - place) & 1
        image[: round(cell), left:right] = 255 * bit


def read(image: np.ndarray) -> int | None:
    """The number in an image (H, W, 3) uint8; None where there is none."""
    cell = image.shape[1] * CELL_SHARE
    places = ((np.arange(CELLS) + 0.5) * cell).astype(int)
    bits = image[int(cell / 2), places, 1] > MIDDLE_GREY
    word = sum(int(bit) << CELLS - 1 - place for place, bit in enumerate(bits))
    number, check = divmod(word, 1 << CHECK_BITS)
    return number if check == _check(number) else None


def _check(number: int) -> int:
    return (number.bit_count() + CHECK_OFFSET) % (1 << CHECK_BITS)


class CodedCamera(ClipCamera):
    """A clip camera whose pictures hold their number, and that notes when it had each of them."""

    def __init__(self, clip: str, seconds: float, fps: float) -> None:
        super().__init__(clip, seconds, fps)
        self.moments: list[float] = []  # time.time() of each picture

    def read(self) -> np.ndarray | None:
        """Wait for the next image (H, W, 3) uint8 BGR; None when the time is over."""
        image = super().read()
        if image is None:
            return None
        image = image.copy()  # the decoder may keep it
        draw(image, len(self.moments) % COUNT)
        self.moments.append(time.time())
        return image
