"""Checkpoints: after every epoch a training writes its history, its best and last weights, and the
state to resume from."""

import csv
import json
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from models.errors import ModelError
from models.files import atomic_write

Weights = list[np.ndarray]  # in the order of keras.Model.get_weights


class Checkpoint(keras.callbacks.Callback):
    """A Keras callback that writes NAME.csv, NAME.state.npz and TensorBoard events at the end of
    every epoch. The files are replaced atomically."""

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: dict[str, Any],
        current_names: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` identify the training: a state with other settings is refused.
        `current_names` maps names of settings that have changed, for error lines."""
        super().__init__()
        self.table, self.state = folder / f"{name}.csv", folder / f"{name}.state.npz"
        self.settings = json.loads(json.dumps(settings, default=str))
        self.rows: list[dict[str, float]] = []  # finished epochs, with the metrics' Keras names
        self.best: Weights = []  # of the epoch `best_row`
        self.last: Weights = []
        self.events = folder / "events" / name
        self._names = current_names or {}
        self._resumed: dict[str, np.ndarray] = {}
        self._writer: Any = None

    @property
    def best_row(self) -> dict[str, float]:
        """The epoch with the lowest val error, the earliest of several."""
        return min(self.rows, key=val_error)

    def read(self) -> None:
        """Read NAME.state.npz, if there is one. Raises ModelError if it is damaged or its settings
        differ."""
        if not self.state.is_file():
            return
        try:
            with np.load(self.state, allow_pickle=False) as kept:
                arrays = dict(kept)
            record = json.loads(str(arrays.pop("record")))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as damage:
            raise ModelError(
                f"--resume: {self.state} cannot be read: {damage}; delete it to start anew"
            ) from None
        for key, value in self.settings.items():
            if (before := record["settings"].get(key)) != value:
                raise ModelError(
                    f"--resume: {self.state} was trained with {self._names.get(key, key)} = "
                    f"{before}, not {value}: give the same, or start anew without --resume"
                )
        self.rows = record["rows"]
        self.best, self.last = _numbered(arrays, "best"), _numbered(arrays, "last")
        self._resumed = arrays

    def restore(self, model: keras.Model, first: int) -> None:
        """Set a compiled model to the state that was read: within a phase of the recipe, its
        optimizer too; at its start, epoch `first`, the averaged weights of the phase before."""
        if self._resumed:
            _assign(_states(model), _numbered(self._resumed, "model"))
        if len(self.rows) > first:
            _assign(model.optimizer.variables, _numbered(self._resumed, "optimizer"))
        elif self.last:
            model.set_weights(self.last)
        self._resumed = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the epoch to the history and write everything."""
        values = {name: float(value) for name, value in sorted((logs or {}).items())}
        self.rows.append({"epoch": epoch, **values})
        self.last = averaged_weights(self.model)
        if self.best_row is self.rows[-1]:
            self.best = self.last
        self._write_table()
        self._write_events(values)
        self._write_state()

    def _write_table(self) -> None:
        with (
            atomic_write(self.table) as unfinished,
            unfinished.open("w", newline="", encoding="utf-8") as file,
        ):
            rows = csv.DictWriter(file, list(self.rows[0]), lineterminator="\n")
            rows.writeheader()
            rows.writerows(self.rows)

    def _write_state(self) -> None:
        parts = {
            "model": [ops.convert_to_numpy(v) for v in _states(self.model)],
            "optimizer": [ops.convert_to_numpy(v) for v in self.model.optimizer.variables],
            "best": self.best,
            "last": self.last,
        }
        arrays = {f"{part}-{k}": a for part, each in parts.items() for k, a in enumerate(each)}
        record = json.dumps({"settings": self.settings, "rows": self.rows})
        with atomic_write(self.state) as unfinished:
            np.savez(unfinished, allow_pickle=False, record=np.array(record), **arrays)

    def _write_events(self, values: dict[str, float]) -> None:
        """Write scalars for TensorBoard without that package, which Keras' own callback needs. The
        first epoch replaces the events of an earlier training."""
        if len(self.rows) == 1:
            shutil.rmtree(self.events, ignore_errors=True)
        if find_spec("tensorflow") is None:
            return
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.events))
        kind = tf.compat.v1.SummaryMetadata(data_class=1)  # DATA_CLASS_SCALAR
        kind.plugin_data.plugin_name = "scalars"
        with self._writer.as_default(step=int(self.rows[-1]["epoch"])):
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=kind)
        self._writer.flush()


def val_error(row: dict[str, float]) -> float:
    """The val age error of an epoch in years; the share of wrong genders if no age is trained."""
    aged = any(name.endswith("years_outside") for name in row)
    return age_error(row) if aged else 1 - gender_accuracy(row)


def age_error(row: dict[str, float]) -> float:
    """The mean val age error of an epoch in years; nan if no age is trained."""
    return _val_metric(row, "years_outside")


def gender_accuracy(row: dict[str, float]) -> float:
    """The val gender accuracy of an epoch, 0 to 1; nan if no gender is trained."""
    return _val_metric(row, "gender_accuracy")


def _val_metric(row: dict[str, float], metric: str) -> float:
    named = (v for name, v in row.items() if name.startswith("val_") and name.endswith(metric))
    return next(named, float("nan"))


def averaged_weights(model: keras.Model) -> Weights:
    """The weights of a compiled model, with the moving averages of the trained ones if the
    optimizer keeps them."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of float16
    averages = {}
    if optimizer.use_ema:
        # Keras names the average of a variable after it, and keeps the order of the variables
        kept = [v for v in optimizer.variables if v.name.endswith("_average")]
        averages = {id(w): v for w, v in zip(model.trainable_variables, kept, strict=True)}
    return [ops.convert_to_numpy(averages.get(id(w), w)) for w in model.weights]


def _states(model: keras.Model) -> list[keras.Variable]:
    """The weights and the states of random generators; all variables but those of metrics."""
    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]
    return [*model.weights, *seeds]


def _assign(variables: list[keras.Variable], values: Weights) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _numbered(arrays: dict[str, np.ndarray], part: str) -> Weights:
    """The arrays named PART-0, PART-1 and so on."""
    count = sum(name.startswith(f"{part}-") for name in arrays)
    return [arrays[f"{part}-{k}"] for k in range(count)]
