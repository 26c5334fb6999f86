"""MobileNet, DenseNet and C3AE files of Keras 2: read under any numbers, refused in one line, and
predicting as with their authors' code."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from models import convert
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest
from models.upstream import conversion
from models.zoo import ARCHITECTURES, CONTEXT, load_keras

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "mobilenet_0.25": ("mobilenet", {"alpha": 0.25}),
    "mobilenet_0.375": ("mobilenet", {"alpha": 0.375}),
    "densenet_13": ("densenet", {"depth": 13, "growth": 12}),
    "densenet_19": ("densenet", {"depth": 19, "growth": 8}),
    "c3ae": ("c3ae", {"se": False}),
    "c3ae_se": ("c3ae", {"se": True}),
}
NESTED = {"mobilenet": "mobilenet_0.25_64", "densenet": "densenet", "c3ae": "model_1"}
NAMED = {"age_feat": "feat_a", "age_pred": "pred_a", "pred": "age"}
KINDS = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense"}


@cache
def awake(net: str) -> keras.Model:
    """An age network with weights under which every picture gets another prediction."""
    family, config = NETS[net]
    keras.utils.set_random_seed(5)
    model = ARCHITECTURES[family](outputs=["age"], **config)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
            elif variable.name in ("beta", "bias", "moving_mean"):
                variable.assign(rng.normal(0, 0.2, variable.shape))
    return model


def write_authors(path: Path, model: keras.Model, first: int = 1, root: str = "/") -> Path:
    """The model as Keras 2 writes it: trunk in a model within, unnamed layers counted from `first`,
    the gates of all blocks before W1."""
    numbers = dict.fromkeys(KINDS.values(), first)
    groups: dict[str, dict[str, np.ndarray]] = {}
    for layer in sorted(filter(lambda v: v.weights, model.layers), key=lambda v: v.name == "W1"):
        head = layer.name in ("W1", "pred") or layer.name.startswith("age_")
        kind = KINDS.get(type(layer).__name__, "")
        own = model.name != "densenet" and layer.name.startswith("conv")
        if layer.name in NAMED or own:
            name = NAMED.get(layer.name, layer.name)
        else:
            name = kind if numbers[kind] == 0 else f"{kind}_{numbers[kind]}"
            numbers[kind] += 1
        group = groups.setdefault(name if head else NESTED[model.name], {})
        for variable in layer.weights:
            depthwise = "depthwise_" if isinstance(layer, keras.layers.DepthwiseConv2D) else ""
            group[f"{name}/{depthwise}{variable.name}:0"] = np.asarray(variable)
    with h5py.File(path, "w") as file:
        top = file.require_group(root)
        top.attrs["layer_names"] = [name.encode() for name in groups]
        for name, weights in groups.items():
            top.create_group(name).attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, array in weights.items():
                top[name][weight] = array
    return path


def refused(path: Path, capsys: pytest.CaptureFixture, *more: str | Path) -> str:
    command = [str(path), *map(str, more), "--as", "theirs", "--out", str(path.parent / "out")]
    assert convert.main(command) == 2
    message: str = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


@pytest.mark.parametrize(("net", "first"), list(zip(NETS, (1, 95, 0, 95, 0, 95), strict=True)))
def test_a_file_comes_back_as_the_net_that_was_written(
    net: str, first: int, tmp_path: Path
) -> None:
    family, config = NETS[net]
    model = awake(net)
    root = "/" if first == 1 else "model_weights"
    path = write_authors(tmp_path / "net.h5", model, first, root)
    architecture, arguments, read = conversion.read_age(path)
    assert (architecture, arguments) == (family, {"outputs": ["age"], **config})
    for ours, theirs in zip(model.get_weights(), read.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_a_converted_model_predicts_as_the_network_that_was_written(tmp_path: Path) -> None:
    model = awake("c3ae_se")
    path = write_authors(tmp_path / "net.h5", model)
    command = [str(path), "--as", "theirs", "--out", str(tmp_path), "--licence", "BSD-2-Clause"]
    assert convert.main(command) == 0
    manifest = load_manifest(str(tmp_path / "theirs.json"))
    assert list(manifest.outputs) == ["age", "nodes"]
    assert manifest.licence == "BSD-2-Clause"
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 9), np.uint8)
    ages, males = Estimator(manifest, choose_device("cpu")).predict(crops)
    expected = np.asarray(model(crops.astype(np.float32), training=False)["age"])
    assert len(set(ages.tolist())) == 3
    np.testing.assert_allclose(ages, expected, atol=1e-3)
    assert np.isnan(males).all()


@pytest.mark.parametrize("family", ["mobilenet", "densenet"])
def test_crops_are_the_authors(family: str, tmp_path: Path) -> None:
    spec = conversion.age_input(tmp_path / "net.h5", family, white_norm=False)
    assert (spec.align, spec.margin, spec.crop_fraction) == ("box", 0.4, 1)
    assert (spec.scale, spec.depth) == (1, 3)


def test_white_norm_is_read_from_a_whole_model_or_stated(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = []
    assert conversion.age_input(path, "c3ae", white_norm=False) == conversion.C3AE_INPUT
    assert conversion.age_input(path, "c3ae", white_norm=True) == CONTEXT
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps({"function": "white_norm"}).encode()
    assert conversion.age_input(path, "c3ae", white_norm=False) == CONTEXT


def test_an_array_that_does_not_fit_is_refused_with_the_layer_and_both_shapes(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write_authors(tmp_path / "net.h5", awake("c3ae"))
    with h5py.File(path, "a") as file:
        del file["model_1/conv3/kernel:0"]
        file["model_1/conv3/kernel:0"] = np.zeros((3, 3, 32, 24), np.float32)
    message = refused(path, capsys)
    assert "does not fit C3AE: its layer conv3 has kernel (3, 3, 32, 24)" in message
    assert "conv3 takes kernel (3, 3, 32, 32)" in message
    with h5py.File(path, "a") as file:
        del file["model_1/conv3/kernel:0"]
        file["model_1/conv3/kernel:0"] = np.full((3, 3, 32, 32), np.nan, np.float32)
    assert "kernel of conv3 is not finite" in refused(path, capsys)


def test_a_missing_layer_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = write_authors(tmp_path / "net.h5", awake("densenet_13"))
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"densenet", b"feat_a", b"pred_a"]
    message = refused(path, capsys)
    assert (
        "does not fit DenseNet: it has no layer where age_dense takes kernel (132, 128)" in message
    )


def test_age_networks_predict_the_age_alone_and_are_converted_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write_authors(tmp_path / "net.h5", awake("densenet_13"))
    assert "predicts age, not male" in refused(path, capsys, "--output", "male")
    assert "is not an SSR-Net: convert it alone" in refused(path, capsys, path)
    for option in (("--male-is", "0"), ("--lambdas", "1", "1"), ("--white-norm",)):
        assert f"{option[0]} means nothing for" in refused(path, capsys, *option)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mobilenet_reg_0.25_64", "densenet_reg_13_64", "c3ae_imdb_v89"])
def test_the_authors_files_predict_as_with_the_authors_code(
    name: str, shared: Path, tmp_path: Path
) -> None:
    path = shared / "upstream" / f"{name}.h5"
    assert convert.main([str(path), "--as", "theirs", "--out", str(tmp_path)]) == 0
    manifest = load_manifest(str(tmp_path / "theirs.json"))
    with np.load(shared / "upstream" / "golden.npz") as arrays:
        golden = dict(arrays)
    images = golden["images"]
    if name.startswith("c3ae"):
        more = (golden["c3ae_second_images"], golden["c3ae_third_images"])
        images = np.concatenate([images, *more], axis=-1)
    age = golden[name if name in golden else f"{name}_age"]
    by_keras = load_keras(manifest)(images.astype(np.float32), training=False)
    np.testing.assert_allclose(np.asarray(by_keras["age"]), age, atol=1e-3)
    ages, _ = Estimator(manifest, choose_device("cpu")).predict(images)
    np.testing.assert_allclose(ages, age, atol=1e-3)
    if "nodes" in by_keras:
        bins = golden[f"{name}_bins"]
        np.testing.assert_allclose(np.asarray(by_keras["nodes"]), bins, atol=1e-5)
