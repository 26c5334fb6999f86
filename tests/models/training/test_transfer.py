"""Starts from the weights of other models, and frozen layers."""

import hashlib
from typing import Any

import keras
import numpy as np
import pytest

from models.crops.spec import InputSpec
from models.errors import ModelError
from models.exporting.weights import Description, write_model
from models.networks import ssrnet
from models.training.pretrained import load_pretrained
from models.training.transfer import copy_weights, freeze, load_init


def test_two_networks_start_from_a_joint_one_and_predict_the_same():
    joint = ssrnet.build()
    pair = ssrnet.build(joint=False)
    copy_weights(pair, joint)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    for output, value in joint(crops).items():
        np.testing.assert_allclose(pair(crops)[output], value, rtol=1e-5)


def test_a_start_that_does_not_fit_is_refused():
    with pytest.raises(ModelError, match="has no layer that fits layer"):
        copy_weights(ssrnet.build(), keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))


def test_a_trunk_without_a_manifest_has_no_training_data(tmp_path):
    (tmp_path / "mobilenet_v2.h5").write_bytes(b"weights")
    trunk = load_pretrained(str(tmp_path / "mobilenet_v2.h5"))
    assert (trunk.data, trunk.manifest) == ({}, None)
    assert trunk.sha256 == hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "tiny.json").write_text("{}")
    with pytest.raises(ModelError, match=r"--init: cannot read .*tiny.weights.h5: No such file"):
        load_pretrained(str(tmp_path / "tiny.weights.h5"))


def test_a_start_whose_weights_mean_something_else_is_refused(tmp_path):
    spec = InputSpec(size=64)
    config: dict[str, Any] = {"joint": True, "male_is": 0}
    about = Description("theirs", "ssrnet", config, spec, "here")
    write_model(ssrnet.build(**config), about, tmp_path)
    with pytest.raises(ModelError, match=r"has male_is 0, .* 1: its weights would mean"):
        load_init(ssrnet.build(), load_pretrained(str(tmp_path / "theirs.json")))


def test_freezing_counts_the_layers_of_a_trunk() -> None:
    pixels, image = keras.Input((4,), name="pixels"), keras.Input((4,), name="image")
    features = keras.layers.Dense(3, name="b")(keras.layers.Dense(3, name="a")(pixels))
    trunk = keras.Model(pixels, features, name="trunk")
    model = keras.Model(image, keras.layers.Dense(1, name="head")(trunk(image)))
    freeze(model, "2")  # the input and a
    assert [w.path for w in model.trainable_weights] == [
        "b/kernel", "b/bias", "head/kernel", "head/bias",
    ]  # fmt: skip
    freeze(model, "b")
    assert [w.path for w in model.trainable_weights] == ["head/kernel", "head/bias"]
    with pytest.raises(ModelError, match="no such layer"):
        freeze(model, "c")
    for every in ("999", "head"):
        with pytest.raises(ModelError, match=f"--freeze {every} leaves no layer of .* to train"):
            freeze(model, every)


def test_a_frozen_batch_normalization_keeps_its_statistics() -> None:
    model = ssrnet.build()
    freeze(model, "s_conv4")
    before = [w.numpy().copy() for w in model.get_layer("x_bn1").weights]
    model(np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)), training=True)
    for old, now in zip(before, model.get_layer("x_bn1").weights, strict=True):
        np.testing.assert_array_equal(old, now.numpy())
