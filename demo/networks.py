"""From options to networks, and to the pipelines that use them."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple

from demo.errors import UserError
from demo.events import Event, Notify
from demo.faces.detectors import DETECTORS, Detector
from demo.faces.pipeline import Pipeline
from demo.faces.settings import Settings
from demo.options import Options
from demo.timing import Stopwatch
from models.crops.spec import InputSpec
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import Manifest, load_manifest, load_weights


class Networks(NamedTuple):
    """What can be shared by several runs, one after the other: loading it takes a second."""

    detector: Detector
    estimator: Estimator


class SharedNetworks:
    """The networks for photos and for video, each loaded when it is first asked for; any thread may
    ask."""

    def __init__(self, load: Callable[[bool], Networks]) -> None:
        self._load = load
        self._loaded: dict[bool, Networks] = {}
        self._lock = threading.Lock()

    def __call__(self, photos: bool) -> Networks:
        """The networks. Raises UserError or ModelError."""
        with self._lock:
            if photos not in self._loaded:
                self._loaded[photos] = self._load(photos)
            return self._loaded[photos]

    def close(self) -> None:
        """Close the estimators."""
        with self._lock:
            for networks in self._loaded.values():
                networks.estimator.close()


def load_model(options: Options) -> Manifest:
    """The manifest of the network that the options name. Raises ModelError."""
    return load_weights(options.weights) if options.weights else load_manifest(options.model)


def load_networks(options: Options, photos: bool) -> Networks:
    """The detector, for photos or for video, and the estimator that the options ask for; close the
    estimator at the end. Raises UserError or ModelError."""
    detector = DETECTORS[options.detector](options.min_face, not photos)
    return Networks(detector, Estimator(load_model(options), choose_device(options.device)))


def kept_networks(options: Options) -> Callable[[bool], Networks]:
    """The networks of the options, for photos or for video, for any number of runs: they are loaded
    when they are first asked for, and this process keeps them."""
    return partial(
        _kept_networks,
        Options(
            detector=options.detector,
            min_face=options.min_face,
            model=options.model,
            weights=options.weights,
            device=options.device,
        ),
    )


@lru_cache(maxsize=4)
def _kept_networks(options: Options, photos: bool) -> Networks:
    return load_networks(options, photos)


def crop_spec(options: Options, manifest: Manifest) -> InputSpec:
    """The crops of the network, with the margin of the options. Raises UserError where the network
    has no margin."""
    spec = manifest.input
    if options.margin is not None:
        spec = replace(spec, margin=options.margin)
    if spec != manifest.input and spec.align == "context":
        raise UserError(f"--margin: {manifest.name} takes fixed parts of the aligned face")
    return spec


def new_pipeline(
    options: Options,
    networks: Networks,
    spec: InputSpec,
    stopwatch: Stopwatch | None = None,
    fps: float | None = None,
) -> Pipeline:
    """A pipeline for a video or camera of `fps` frames per second, if that is known. Raises
    UserError."""
    if options.anonymize and (options.detect_every not in (None, 1) or options.budget_ms):
        raise UserError(
            "--detect-every and --budget-ms would show new faces before they are covered: remove "
            "them, or --anonymize"
        )
    settings = Settings(
        detect_every=options.detect_every or Settings.detect_every,
        min_quality=options.min_quality,
        budget_ms=options.budget_ms,
        anonymize=options.anonymize,
    )
    return Pipeline(*networks, fps, settings, spec, stopwatch)


def tell_network(estimator: Estimator, spec: InputSpec, notify: Notify) -> None:
    """Say which network runs where, and that crops differ from those of its training."""
    manifest, device = estimator.manifest, estimator.device
    text = f"{manifest.name} on {device.kind} with {device.engine}: {device.reason}"
    notify(Event("info", text))
    if spec != manifest.input:
        text = f"margin {spec.margin}: {manifest.name} was trained with {manifest.input.margin}"
        notify(Event("warning", text))
