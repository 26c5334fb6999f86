"""How a pipeline trades speed for completeness."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Settings of a `Pipeline`.

    Between two searches of the whole frame, only known faces are measured, in every second frame
    while they move steadily. A thread searches: its new faces appear a few frames later. Every
    second search leaves out the smallest faces. With `anonymize`, every frame is searched, whatever
    `detect_every` and `budget_ms` are, so that no face is shown before it was found.
    """

    detect_every: int = 8  # frames from one search of the whole frame to the next
    min_quality: float = 0.1  # 0..1: crops of lower quality are ignored
    every_crop: bool = False  # estimate every face in every frame: the reference for benchmarks
    budget_ms: float | None = None  # mean time per frame; above it, less work is done
    anonymize: str | None = None  # cover heads: a key of `anonymize.STYLES`
