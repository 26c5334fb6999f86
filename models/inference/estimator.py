"""Estimate ages and genders of face crops with a network, in batches."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Self

import numpy as np

from models.crops.preprocess import network_input
from models.errors import ModelError
from models.inference.calibration import apply_temperature
from models.inference.devices import Device, open_network
from models.inference.engines import MAX_BATCH
from models.manifest import Manifest
from models.quiet import stderr_closed

BOTH_SIDES = 8  # first crops of a face that are also flipped: its first labels rest on few crops
UPPER_LIMITS = {"age": 100.0, "male": 1.0, "nodes": 1.0}  # of the outputs; the lower one is 0
Predictions = tuple[np.ndarray, np.ndarray]  # ages (N,) years, probabilities of male (N,), float32


class Request(NamedTuple):
    """Crops that wait in the queue, and the future of their predictions."""

    crops: np.ndarray  # (M, size, size, depth) uint8, BGR
    faces: np.ndarray  # (M,) which of the N faces each crop shows
    predictions: Future[Predictions]


class Estimator:
    """Estimate ages and genders of face crops, one batch per call; `device` says where it runs.

    Use it as a context manager, or call `close`: it owns a thread.
    """

    def __init__(self, manifest: Manifest, device: Device) -> None:
        """Open the model's network and run it once. Raises ModelError if a file is missing or
        damaged, or if the network does not take the crops that the manifest describes."""
        self.manifest = manifest
        self.input = manifest.input
        self.calibration = manifest.calibration
        self._thread = ThreadPoolExecutor(1, "estimator")
        self._requests: deque[Request] = deque()
        self._network, self.device = open_network(manifest, device)
        shape = (1, self.input.size, self.input.size, self.input.depth)
        try:
            with stderr_closed():  # TensorFlow prints lines when it first runs a network
                self.predict(np.zeros(shape, np.uint8))
        except Exception as error:  # the engines' errors share no base class
            raise ModelError(
                f"model {manifest.name} does not take the crops of its manifest "
                f"({self.input.size} pixels): {str(error).splitlines()[0][:120]}"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish submitted requests and end the thread. A later `submit` raises RuntimeError."""
        self._thread.shutdown()

    def predict(self, crops: np.ndarray) -> Predictions:
        """Ages (N,) in years and probabilities of male (N,), float32, of crops (N, size, size,
        depth) uint8 BGR; nan for an output that the model does not have."""
        return _columns(self.predict_all(crops), len(crops))

    def submit(self, crops: np.ndarray, times_seen: np.ndarray) -> Future[Predictions]:
        """Like `predict`, in the estimator's thread: returns a Future. Requests that wait together
        run as one batch.

        `times_seen` (N,) int: how many crops of each face were submitted before. A model with
        test-time flipping (`flip_tta`) gets each of the first BOTH_SIDES crops of a face together
        with its mirror image, later crops alternately as they are and flipped.
        """
        faces = np.arange(len(crops))
        if self.manifest.flip_tta:
            both = times_seen < BOTH_SIDES
            flipped = np.flatnonzero(~both & (times_seen % 2 == 1))
            crops = np.concatenate([crops, crops[both, :, ::-1]])
            crops[flipped] = crops[flipped, :, ::-1]
            faces = np.concatenate([faces, faces[both]])
        request = Request(crops, faces, Future())
        self._requests.append(request)
        self._thread.submit(self._run_waiting)
        return request.predictions

    def _run_waiting(self) -> None:
        """Run all waiting requests, also those of several sources, as one batch."""
        waiting = [self._requests.popleft() for _ in range(len(self._requests))]
        if not waiting:
            return
        try:
            crops = np.concatenate([request.crops for request in waiting])
            columns = _columns(self._run(crops), len(crops))
        except BaseException as error:  # `result()` raises it again in the submitting thread
            for request in waiting:
                request.predictions.set_exception(error)
            return
        ends = np.cumsum([len(request.crops) for request in waiting])[:-1]
        for request, *parts in zip(waiting, *(np.split(c, ends) for c in columns), strict=True):
            crops_per_face = np.bincount(request.faces)
            ages, male_probs = (np.bincount(request.faces, part) / crops_per_face for part in parts)
            male_probs = apply_temperature(self.calibration, male_probs)
            request.predictions.set_result((ages.astype(np.float32), male_probs.astype(np.float32)))

    def predict_all(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs of the model for crops (N, size, size, depth) uint8 BGR, by name: "age" (N,)
        years, "male" (N,) probability, "nodes" (N, C) probabilities of the age bins. Empty for no
        crops."""
        if self.manifest.flip_tta:
            both = self._run(np.concatenate([crops, crops[:, :, ::-1]]))
            outputs = {
                name: values.reshape(2, len(crops), *values.shape[1:]).mean(axis=0)
                for name, values in both.items()
            }
        else:
            outputs = self._run(crops)
        if "male" in outputs:
            outputs["male"] = apply_temperature(self.calibration, outputs["male"])
        return outputs

    def _run(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """The network's outputs that the manifest lists, within their limits."""
        starts = range(0, len(crops), MAX_BATCH)
        batches = (network_input(crops[k : k + MAX_BATCH], self.input) for k in starts)
        parts = [self._network(batch) for batch in batches]
        names = [name for name in parts[0] if name in self.manifest.outputs] if parts else []
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in names}
        return {name: np.clip(values, 0.0, UPPER_LIMITS[name]) for name, values in outputs.items()}


def _columns(outputs: dict[str, np.ndarray], count: int) -> Predictions:
    """Ages and probabilities of male of `count` crops; nan for a missing output."""
    unknown = np.full(count, np.nan, np.float32)
    return outputs.get("age", unknown), outputs.get("male", unknown)
