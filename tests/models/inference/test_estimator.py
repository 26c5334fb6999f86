"""Devices and batches: what runs where, and that a batch is only a batch."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import sleep

import numpy as np
import onnxruntime as ort
import pytest

from models.crops.preprocess import network_input
from models.crops.spec import InputSpec
from models.errors import ModelError
from models.inference import devices
from models.inference.devices import choose_device, open_detector_network
from models.inference.estimator import BOTH_SIDES, Estimator
from models.manifest import load_manifest


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that offers CUDA on a machine on which it cannot start."""
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: offered)


def test_the_cpu_is_used_as_asked() -> None:
    device = choose_device("cpu")
    assert (device.kind, device.reason) == ("cpu", "as asked")


@pytest.mark.usefixtures("gpu_build")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_does_not_start_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # not installed
    device = choose_device("auto")
    assert device.kind == "cpu"
    assert "no GPU provider" in device.reason
    with pytest.raises(ModelError, match=r"no GPU.*use --device cpu"):
        choose_device("gpu")


@pytest.mark.usefixtures("gpu_build")
def test_a_gpu_whose_driver_raises_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")

    monkeypatch.setattr(devices, "onnx_session", raises)
    assert choose_device("auto").kind == "cpu"


def test_pixels_reach_the_network_as_the_manifest_says() -> None:
    crops = np.array([[[[10, 20, 30]]]], np.uint8)
    as_they_are, turned = InputSpec(size=1), InputSpec(1, channels="rgb", scale=0.5, offset=-1)
    assert network_input(crops, as_they_are).tolist() == [[[[10, 20, 30]]]]
    assert network_input(crops, turned).tolist() == [[[[14, 9, 4]]]]
    assert network_input(crops, turned).dtype == np.float32


@pytest.fixture(params=["openvino", "onnxruntime"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine of detectors: as installed, and where OpenVINO is not."""
    if request.param == "onnxruntime":
        monkeypatch.setattr(devices, "find_spec", lambda name: None)
    else:
        pytest.importorskip("openvino")
    return str(request.param)


@pytest.mark.usefixtures("engine")
def test_a_network_serves_several_threads() -> None:
    network = open_detector_network(load_manifest("mtcnn").file("onet"), one_shape=True)
    images = np.random.default_rng(0).integers(0, 256, (8, 30, 48, 48, 3), np.uint8)
    alone = [network(batch)["points"] for batch in images]
    with ThreadPoolExecutor(4) as pool:
        together = [found["points"] for found in pool.map(network, images)]
    np.testing.assert_array_equal(together, alone)


def test_the_engines_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 3), np.uint8)
    graph = load_manifest("mtcnn").file("onet")
    installed = open_detector_network(graph, one_shape=True)(images)
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    other = open_detector_network(graph, one_shape=True)(images)
    assert set(installed) == set(other) == {"offsets", "points", "scores"}
    for name, values in installed.items():
        np.testing.assert_allclose(other[name], values, atol=5e-3)


@pytest.mark.usefixtures("engine")
def test_a_file_that_is_not_a_graph_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"broken\.onnx is not a usable ONNX graph") as error:
        open_detector_network(tmp_path / "broken.onnx", one_shape=True)
    assert "\n" not in str(error.value)


def test_with_flip_tta_a_face_and_its_mirror_image_get_the_same_prediction():
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    manifest = load_manifest("ssrnet-joint")
    once = Estimator(replace(manifest, flip_tta=False), choose_device("cpu"))
    both = Estimator(replace(manifest, flip_tta=True), choose_device("cpu"))
    ages, males = both.predict(crops)
    for prediction, turned in zip((ages, males), both.predict(crops[:, :, ::-1]), strict=True):
        np.testing.assert_allclose(prediction, turned, rtol=1e-5)
    expected = (
        once.predict(crops)[0] + once.predict(np.ascontiguousarray(crops[:, :, ::-1]))[0]
    ) / 2
    np.testing.assert_allclose(ages, expected, rtol=1e-5)


def test_predict_and_submit_apply_the_temperature():
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    manifest = replace(load_manifest("ssrnet-joint"), flip_tta=True)
    plain = Estimator(replace(manifest, calibration={}), choose_device("cpu")).predict(crops)[1]
    estimator = Estimator(
        replace(manifest, calibration={"temperature": [2.0]}), choose_device("cpu")
    )
    expected = 1 / (1 + np.sqrt(1 / plain - 1))
    np.testing.assert_allclose(estimator.predict(crops)[1], expected, rtol=1e-4)
    submitted = estimator.submit(crops.copy(), np.zeros(3, int)).result()[1]
    np.testing.assert_allclose(submitted, expected, rtol=1e-4)


def test_requests_that_wait_together_run_as_one_batch_with_unchanged_predictions():
    estimator = Estimator(load_manifest("ssrnet-joint"), choose_device("cpu"))
    network, sizes, go = estimator._network, [], Event()

    def counting(batch: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(batch))
        go.wait(10)
        return network(batch)

    estimator._network = counting
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (n, 64, 64, 3)).astype(np.uint8) for n in (1, 3, 0, 2)]
    futures = [estimator.submit(each, np.full(len(each), BOTH_SIDES)) for each in crops]
    while not sizes:
        sleep(0.001)
    late = [estimator.submit(each, np.full(len(each), BOTH_SIDES)) for each in crops]
    go.set()
    predictions = [future.result() for future in (*futures, *late)]
    assert sum(sizes) == 12
    assert len(sizes) <= 3
    for each, prediction, again in zip(crops, predictions[:4], predictions[4:], strict=True):
        alone = estimator.submit(each, np.full(len(each), BOTH_SIDES)).result()
        for column, same, expected in zip(prediction, again, alone, strict=True):
            np.testing.assert_allclose(column, expected, atol=1e-4)
            np.testing.assert_allclose(same, expected, atol=1e-4)


def test_the_first_crops_of_a_face_are_also_flipped_and_later_ones_alternately():
    manifest = replace(load_manifest("ssrnet-joint"), calibration={})
    estimator = Estimator(manifest, choose_device("cpu"))
    crop = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    mirrored = np.ascontiguousarray(crop[:, :, ::-1])
    side, other = (
        estimator.submit(each.copy(), np.array([BOTH_SIDES])).result() for each in (crop, mirrored)
    )
    times_seen = np.array([0, BOTH_SIDES, BOTH_SIDES + 1, BOTH_SIDES - 1])
    ages, males = estimator.submit(np.repeat(crop, 4, axis=0), times_seen).result()
    for predicted, one, two in zip((ages, males), side, other, strict=True):
        both = (one[0] + two[0]) / 2
        np.testing.assert_allclose(predicted, [both, one[0], two[0], both], atol=1e-4)
    np.testing.assert_allclose(estimator.predict(crop)[0], ages[:1], atol=1e-4)


def test_every_waiting_request_raises_the_networks_error():
    estimator = Estimator(load_manifest("ssrnet-joint"), choose_device("cpu"))
    bad = np.zeros((1, 8, 8, 3), np.uint8)  # not of its size
    futures = [estimator.submit(bad, np.zeros(1, int)) for _ in range(3)]
    for future in futures:
        with pytest.raises(Exception, match="INVALID_ARGUMENT"):
            future.result(10)
