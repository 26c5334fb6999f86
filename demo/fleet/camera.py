"""One camera of a fleet."""

from dataclasses import dataclass

from demo.options import Options


@dataclass(frozen=True)
class Camera:
    """A camera of a fleet. A value: it can be pickled and sent to another machine."""

    name: str  # also of its folder
    options: Options  # of its run, without outputs
    record: bool = False  # write annotated videos
    store: bool = False  # keep visits in a database

    @property
    def source(self) -> str:
        """Camera number, device or address."""
        return self.options.sources[0]
