"""What a training keeps after every epoch: its history, its best weights, and all it needs to go on
after it was stopped."""

import csv
import json
import shutil
import zipfile
import zlib
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
    """Writes NAME.csv, NAME.state.npz and events for TensorBoard at the end of every epoch, each
    whole or not at all. `settings` say what is trained; a state of other settings is refused."""

    def __init__(self, folder: Path, name: str, settings: dict[str, Any]) -> None:
        super().__init__()
        self.table, self.state = folder / f"{name}.csv", folder / f"{name}.state.npz"
        self.settings = json.loads(json.dumps(settings, default=str))
        self.rows: list[dict[str, float]] = []  # of the finished epochs, named as Keras does
        self.best: Weights = []  # of the epoch of `best_row`
        self.last: Weights = []
        self._resumed: dict[str, np.ndarray] = {}
        self._events = folder / "events" / name
        self._writer: Any = None

    @property
    def best_row(self) -> dict[str, float]:
        """The epoch of the least error on the val faces, the earlier of two alike."""
        return min(self.rows, key=error)

    def read(self) -> None:
        """Take up the state that was kept, if there is one. Raises ModelError."""
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
            if record["settings"].get(key) != value:
                raise ModelError(
                    f"--resume: {self.state} was trained with {key} = "
                    f"{record['settings'].get(key)}, not {value}; give the same, or leave it out"
                )
        self.rows = record["rows"]
        self.best, self.last = _numbered(arrays, "best"), _numbered(arrays, "last")
        self._resumed = arrays

    def restore(self, model: keras.Model, first: int) -> None:
        """Set a compiled model to where the training stood: amid the phase, or at its start, which
        is epoch `first`, with the averaged weights of the phase before."""
        if self._resumed:
            _assign(_states(model), _numbered(self._resumed, "model"))
        if len(self.rows) > first:
            _assign(model.optimizer.variables, _numbered(self._resumed, "optimizer"))
        elif self.last:
            model.set_weights(self.last)
        self._resumed = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
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
        """Scalars for TensorBoard, without that package, which Keras' own callback needs; the first
        epoch's in the place of a former training's."""
        if len(self.rows) == 1:
            shutil.rmtree(self._events, ignore_errors=True)
        if find_spec("tensorflow") is None:
            return
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._events))
        kind = tf.compat.v1.SummaryMetadata(data_class=1)  # DATA_CLASS_SCALAR
        kind.plugin_data.plugin_name = "scalars"
        with self._writer.as_default(step=int(self.rows[-1]["epoch"])):
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=kind)
        self._writer.flush()


def error(row: dict[str, float]) -> float:
    """Years off on the val faces; where no age is learnt, the share of wrong genders."""
    aged = any(name.endswith("years_outside") for name in row)
    return age_error(row) if aged else 1 - gender_accuracy(row)


def age_error(row: dict[str, float]) -> float:
    """Years off on the val faces; nan where no age is learnt."""
    return _of_val(row, "years_outside")


def gender_accuracy(row: dict[str, float]) -> float:
    """Of the val faces; nan where no gender is learnt."""
    return _of_val(row, "gender_accuracy")


def _of_val(row: dict[str, float], metric: str) -> float:
    named = (v for name, v in row.items() if name.startswith("val_") and name.endswith(metric))
    return next(named, float("nan"))


def averaged_weights(model: keras.Model) -> Weights:
    """The weights, trained ones as their average over the steps where the optimizer keeps it."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of float16
    averages = {}
    if optimizer.use_ema:
        pairs = zip(
            optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True
        )
        averages = {id(variable): average for variable, average in pairs}
    return [ops.convert_to_numpy(averages.get(id(w), w)) for w in model.weights]


def _states(model: keras.Model) -> list[keras.Variable]:
    """All variables but those of the metrics: weights, and where random generators stand."""
    seeds = [v for v in model.non_trainable_variables if "seed" in v.path]
    return [*model.weights, *seeds]


def _assign(variables: list[keras.Variable], values: Weights) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _numbered(arrays: dict[str, np.ndarray], part: str) -> Weights:
    count = sum(name.startswith(f"{part}-") for name in arrays)
    return [arrays[f"{part}-{k}"] for k in range(count)]
