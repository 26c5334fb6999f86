"""Show the progress of a training on standard error: one bar over all epochs and steps in a
terminal, otherwise one line per epoch."""

import math
import sys
import time
from typing import Any, Self, TextIO

import keras
from tqdm import tqdm

from models.training.checkpoint import Checkpoint, age_error, gender_accuracy


class Progress(keras.callbacks.Callback):
    """A Keras callback, and the context in which its bar is open. It must come after the checkpoint
    among the callbacks."""

    def __init__(
        self,
        title: str,
        epochs: int,
        steps: int,
        checkpoint: Checkpoint,
        stream: TextIO | None = None,
    ) -> None:
        """`steps` per epoch, `epochs` in all, of which the checkpoint may have some already.
        `title` begins every line; `stream` is standard error by default."""
        super().__init__()
        self._title, self._epochs, self._steps = title, epochs, steps
        self._checkpoint, self._stream = checkpoint, stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._began, self._val = 0.0, ""

    def __enter__(self) -> Self:
        done = len(self._checkpoint.rows)
        self._bar = tqdm(
            total=self._epochs * self._steps,
            initial=done * self._steps,
            unit="step",
            file=self._stream,
            disable=not self._is_terminal,
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Name the epoch, counted from 1."""
        self._began = time.monotonic()
        self._bar.set_description_str(f"{self._title}epoch {epoch + 1}/{self._epochs}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Advance the bar by a step and show the mean loss of the epoch."""
        if self._is_terminal:
            text = f"loss {float((logs or {}).get('loss', math.nan)):.3f}{self._val}"
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the val error; without a terminal, write the epoch's line."""
        row = self._checkpoint.rows[-1]
        self._val = f", {val_text(row)}"
        text = f"loss {row['loss']:.3f}{self._val}"
        self._bar.set_postfix_str(text)
        if not self._is_terminal:
            seconds = time.monotonic() - self._began
            head = f"{self._title}epoch {epoch + 1}/{self._epochs}"
            self._stream.write(f"{head}: {text}, {seconds:.0f} s\n")
            self._stream.flush()


def val_text(row: dict[str, float]) -> str:
    """The val age error and gender accuracy of an epoch, as far as they are measured."""
    years, accuracy = age_error(row), gender_accuracy(row)
    parts = [
        "" if math.isnan(years) else f"age error {years:.3f} years",
        "" if math.isnan(accuracy) else f"gender accuracy {accuracy:.4f}",
    ]
    return f"val {', '.join(filter(None, parts))}"
