"""The crops that a network takes: size, alignment, margin, channel order and scaling."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class InputSpec:
    """The crops a network takes. Written by training, read by `models.crops.align`."""

    size: int = 64  # pixels, height and width
    # similarity transform, plain box, or three crops of the transformed face: models.crops.context
    align: Literal["points", "box", "context"] = "points"
    margin: float = 0.4  # of the face's side, added on each side: the chip
    view: float = 1.0  # central part of the chip's side that the network sees
    border: Literal["constant", "replicate", "reflect"] = "replicate"  # beyond the picture
    channels: Literal["bgr", "rgb"] = "bgr"
    scale: float = 1.0  # network input = pixel (0..255) · scale + offset
    offset: float = 0.0

    def __post_init__(self) -> None:
        choices = {
            "align": ("points", "box", "context"),
            "border": ("constant", "replicate", "reflect"),
            "channels": ("bgr", "rgb"),
        }
        numbers = (self.size, self.margin, self.view, self.scale, self.offset)
        if not (isinstance(self.size, int) and all(isinstance(n, int | float) for n in numbers)):
            raise ValueError("size must be a whole number, margin, view, scale and offset numbers")
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, not {' or '.join(allowed)}")
        if not (self.size >= 1 and self.margin >= 0 and self.view > 0):
            raise ValueError(f"size {self.size}, margin {self.margin}, view {self.view}: no crop")

    @property
    def depth(self) -> int:
        """Channels of a crop: three, or those of the three context crops."""
        return 9 if self.align == "context" else 3


GEOMETRY_VERSION = (
    3  # raised whenever detector or aligner put faces elsewhere: chips and figures are stale
)
CHIP = InputSpec(size=128)  # what the cache of training holds: every network sees a part of it
