"""The overlay: a box in the colour of its id and a label per face, and a caption in the corner."""

from functools import lru_cache

import cv2
import numpy as np

from demo.frames import Faces
from models.printable import printable

DARK, LIGHT, PANEL = (24, 24, 24), (255, 255, 255), (40, 36, 32)
COLOURS = [  # BGR, distinct on light and dark backgrounds
    (66, 165, 255),
    (230, 180, 60),
    (110, 205, 90),
    (190, 120, 240),
    (80, 220, 250),
    (225, 140, 110),
    (120, 110, 250),
    (190, 215, 70),
    (160, 190, 255),
    (235, 130, 190),
]
FONT = cv2.FontFace("sans")
REGULAR, BOLD = 400, 600
MIN_TEXT = 8  # pixels, of the longest notice and the label of a tiny picture
MIN_LABEL_TEXT = 10  # pixels: rather than smaller, a label is shorter
GENDERS = ("female", "male")


def annotate(image: np.ndarray, faces: Faces, caption: str = "") -> np.ndarray:
    """A copy of a BGR image (H, W, 3) uint8 with a box and a label for every confirmed face, and
    the caption in its upper left corner. Labels of large faces get the best places.

    >>> from demo import analyze, annotate
    >>> frame, faces = next(analyze("assets/demo.mp4"))
    >>> annotate(frame.image, faces, "first frame").shape
    (540, 960, 3)
    """
    image = image.copy()
    size = text_size(image)
    rows = [row for row in _largest_first(faces) if faces.ids[row] >= 1]
    corners = np.rint(faces.boxes).astype(int).tolist()
    for row in reversed(rows):
        _box(image, corners[row], id_colour(int(faces.ids[row])), max(2, size // 7))
    taken = [_draw_caption(image, caption, size)] if caption else []
    for row in rows:
        track = int(faces.ids[row])
        age, low, high = (float(x[row]) for x in (faces.ages, faces.age_low, faces.age_high))
        known = age, max(age - low, high - age), float(faces.male_probs[row])
        tag = _fitting_label(track, known, size, image.shape[1])
        place = _place(image, tag, corners[row], taken)
        _paste(image, tag, *place)
        taken.append((*place, place[0] + tag.shape[1], place[1] + tag.shape[0]))
    return image


def with_notice(image: np.ndarray, notice: str) -> np.ndarray:
    """A darkened copy of a BGR image (H, W, 3) uint8 with the notice in its middle."""
    image = image // 2
    strip = _fitting_panel(notice, text_size(image) * 3 // 2, image.shape[1])
    x, y = ((image.shape[k] - strip.shape[k]) // 2 for k in (1, 0))
    _paste(image, strip, max(x, 0), max(y, 0))
    return image


def _largest_first(faces: Faces) -> list[int]:
    heights = faces.boxes[:, 3] - faces.boxes[:, 1]
    rows: list[int] = np.argsort(-heights, kind="stable").tolist()
    return rows


def _draw_caption(image: np.ndarray, text: str, size: int) -> tuple[int, int, int, int]:
    """Draw the caption on a dark panel, its first part alone if all of it is too wide; the panel's
    rectangle."""
    size = max(11, round(size * 0.8))
    panel = _panel(text, size)
    if panel.shape[1] > image.shape[1]:
        panel = _fitting_panel(text.partition(" · ")[0], size, image.shape[1])
    _paste(image, panel, 0, 0)
    return 0, 0, panel.shape[1], panel.shape[0]


def text_size(image: np.ndarray) -> int:
    """Height of the text in pixels, legible at any frame size."""
    return int(np.clip(round(min(image.shape[:2]) / 34), 13, 96))


def id_colour(track: int) -> tuple[int, int, int]:
    """The BGR colour of an id."""
    return COLOURS[track % len(COLOURS)]


def face_text(age: float, spread: float, male: float) -> str:
    """ "female 34 ± 9", without the ± if it is not known; "…" while nothing is known."""
    words = []
    if np.isfinite(male):
        words.append(GENDERS[int(male >= 0.5)])
    if np.isfinite(age):
        words.append(f"{age:.0f}")
        if np.isfinite(spread):
            words.append(f"± {spread:.0f}")
    return " ".join(words) or "…"


def _fitting_label(
    track: int, known: tuple[float, float, float], size: int, width: int
) -> np.ndarray:
    """The label of a face of which age, ± and probability of male are `known`, no wider than
    `width` pixels: smaller if need be, then without its ±, then with the initial of the gender,
    then without the gender, then without the id. No number is ever cut."""
    age, spread, male = known
    nan = float("nan")
    full, plain = face_text(age, spread, male), face_text(age, nan, male)
    parts = [(f"{track}", full), (f"{track}", plain), (f"{track}", _with_initial(plain))]
    if np.isfinite(age):
        parts += [(f"{track}", face_text(age, nan, nan)), ("", face_text(age, nan, nan))]
    for smallest in (MIN_LABEL_TEXT, MIN_TEXT):
        for number, text in parts:
            for height in range(size, min(size, smallest) - 1, -1):
                tag = _label(number, text, height, id_colour(track))
                if tag.shape[1] <= width:
                    return tag
    return tag[:, :0]  # a picture of so few pixels shows the box alone


def _with_initial(text: str) -> str:
    """ "f 34" for "female 34", "m" for "male"."""
    gender, _, age = text.partition(" ")
    return f"{gender[0]} {age}".strip() if gender in GENDERS else text


def _box(image: np.ndarray, box: list[int], colour: tuple[int, int, int], width: int) -> None:
    """Draw a thin box with strong corners and a dark edge that shows on any background."""
    x1, y1, x2, y2 = box
    arm = max(4, min(x2 - x1, y2 - y1) // 4)
    thin = max(1, width // 2)
    corners = [
        np.array([[x + dx, y], [x, y], [x, y + dy]], np.int32)
        for x, dx in ((x1, arm), (x2, -arm))
        for y, dy in ((y1, arm), (y2, -arm))
    ]
    for shade, edge in ((DARK, 2), (colour, 0)):
        thickness = width + edge
        cv2.rectangle(image, (x1, y1), (x2, y2), shade, thin + edge)
        cv2.polylines(image, corners, False, shade, thickness)


def _place(
    image: np.ndarray,
    tag: np.ndarray,
    box: list[int],
    taken: list[tuple[int, int, int, int]],
) -> tuple[int, int]:
    """Upper left corner of a label: above its box, else below, beside or inside it, and clear of
    other labels if possible."""
    height, width = tag.shape[:2]
    x1, y1, x2, y2 = box
    above, below = y1 - height - 2, y2 + 3
    options = [(x1, above), (x1, below), (x2 - width, above), (x2 - width, below)]
    options += [(x2 + 3, y1), (x1 - width - 3, y1), (x1, y1 + 2)]
    most = max(image.shape[1] - width, 0)
    inside = [
        (min(max(x, 0), most), y) for x, y in options if 0 <= y <= image.shape[0] - height
    ] or [(min(max(x1, 0), most), 0)]
    for x, y in inside:
        if not any(
            x < right and left < x + width and y < bottom and top < y + height
            for left, top, right, bottom in taken
        ):
            return x, y
    return inside[0]


@lru_cache(maxsize=256)
def _label(track: str, text: str, size: int, colour: tuple[int, int, int]) -> np.ndarray:
    """The id, if there is one, on a dark background, then the text on the colour of the id."""
    shade = tuple(int(c * 0.45) for c in colour)
    shown = _text(text, size, DARK, colour, BOLD)
    return np.hstack([_text(track, size, LIGHT, shade, BOLD), shown]) if track else shown


def _fitting_panel(text: str, size: int, width: int) -> np.ndarray:
    """Text on a dark panel no wider than `width` pixels: smaller if need be, then with its end
    left out."""
    panel, length = _panel(text, size), len(text)
    while panel.shape[1] > width and (size > MIN_TEXT or length):
        share = width / panel.shape[1]
        if size > MIN_TEXT:
            size = max(MIN_TEXT, min(size - 1, int(size * share)))
        else:
            length = min(length - 1, int(length * share))
        panel = _panel(text if length == len(text) else f"{text[:length]}…", size)
    return panel


@lru_cache(maxsize=8)
def _panel(text: str, size: int) -> np.ndarray:
    return _text(text, size, LIGHT, PANEL, REGULAR)


def _text(
    text: str, size: int, colour: tuple[int, ...], ground: tuple[int, ...], weight: int
) -> np.ndarray:
    """A strip (h, w, 3) uint8 of text with a margin around it."""
    pad, text = max(3, size // 4), printable(text)
    _, _, width, _ = cv2.getTextSize((10_000, 100), text, (0, 0), FONT, size, weight)
    strip = np.full((size + 2 * pad, width + 2 * pad, 3), ground, np.uint8)
    cv2.putText(strip, text, (pad, pad + round(size * 0.86)), colour, FONT, size, weight)
    return strip


def _paste(image: np.ndarray, strip: np.ndarray, x: int, y: int) -> None:
    """Copy a strip into the image, cut off at its edges."""
    part = image[y : y + strip.shape[0], x : x + strip.shape[1]]
    part[:] = strip[: part.shape[0], : part.shape[1]]
