"""The crops that a network takes: size, alignment, margin, channel order and scaling."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

# raised by hand whenever the detector or the aligner moves crops: cached chips and results of
# earlier versions are then stale
GEOMETRY_VERSION = 3
RECORD_KEYS = {"crop_fraction": "view"}  # field -> its older key in manifests, where they differ


@dataclass(frozen=True)
class InputSpec:
    """The crops that a network takes. Training writes it to the manifest, `models.crops.align`
    follows it."""

    size: int = 64  # pixels, height and width
    # similarity transform of five points, box, or three crops of a chip (models.crops.context)
    align: Literal["points", "box", "context"] = "points"
    margin: float = 0.4  # added on each side, in sides of the face; the result is the chip
    crop_fraction: float = 1.0  # central part of the chip's side that the network sees
    border: Literal["constant", "replicate", "reflect"] = "replicate"  # outside the image
    channels: Literal["bgr", "rgb"] = "bgr"
    scale: float = 1.0  # network input = pixel (0 to 255) · scale + offset
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for a value that describes no crop."""
        choices = {
            "align": ("points", "box", "context"),
            "border": ("constant", "replicate", "reflect"),
            "channels": ("bgr", "rgb"),
        }
        numbers = (self.size, self.margin, self.crop_fraction, self.scale, self.offset)
        if not (isinstance(self.size, int) and all(isinstance(n, int | float) for n in numbers)):
            raise ValueError("size must be a whole number, margin, view, scale and offset numbers")
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, not {' or '.join(allowed)}")
        if not (self.size >= 1 and self.margin >= 0 and self.crop_fraction > 0):
            raise ValueError(
                f"size {self.size}, margin {self.margin}, view {self.crop_fraction}: no crop"
            )

    @property
    def depth(self) -> int:
        """Channels of a crop: 3, or 9 for the three context crops."""
        return 9 if self.align == "context" else 3

    @property
    def cache_key(self) -> str:
        """The spec as text, for the names of cache files; it must not change between versions."""
        values = ", ".join(f"{key}={value!r}" for key, value in self.to_record().items())
        return f"InputSpec({values})"

    def to_record(self) -> dict[str, Any]:
        """The entry "input" of a manifest."""
        return {RECORD_KEYS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """The inverse of `to_record`. Raises TypeError for an unknown key and ValueError for a
        value that describes no crop."""
        names = {key: name for name, key in RECORD_KEYS.items()}
        return cls(**{names.get(key, key): value for key, value in record.items()})


CHIP = InputSpec(size=128)  # the aligned face that training caches; every network sees a part of it
