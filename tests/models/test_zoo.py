"""The networks: their sizes and outputs, that each learns, and their layers by hand."""

from pathlib import Path

import keras
import numpy as np
import pytest

from models.crops.preprocess import network_input
from models.exporting.graphs import write_graph
from models.exporting.parity import check_parity
from models.exporting.weights import Description, keras_network, write_model
from models.inference.devices import choose_device
from models.inference.engines import TfliteNetwork
from models.inference.estimator import Estimator
from models.networks import c3ae, densenet, levi_hassner, lmtcnn, mobilenet
from models.networks.layers import Expectation, LocalResponseNormalization, PerImageStandardization
from models.zoo import ARCHITECTURES, NETWORKS, Network, load_keras

COUNTS = {
    "ssrnet": 81_830,
    "ssrnet-joint": 45_014,
    "faceres": 3_484_389,
    "c3ae": 55_530,
    "c3ae-plain": 50_170,
    "lmtcnn-1-1": 7_490_410,
    "lmtcnn-2-1": 7_617_642,
    "lmtcnn-gap": 346_474,
    "levi-hassner": 17_715_210,
    "mobilenet-025": 234_074,
    "mobilenet-050": 855_306,
    "densenet-13": 129_562,
    "densenet-19": 272_410,
    "mobilenetv2": 2_389_927,
    "inceptionv3": 22_013_831,
}


@pytest.fixture(scope="module", params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def network(name: str) -> Network:
    return NETWORKS[name]


@pytest.fixture(scope="module")
def model(network: Network) -> keras.Model:
    keras.utils.set_random_seed(1)
    return ARCHITECTURES[network.architecture](**network.config)


def batch(network: Network) -> np.ndarray:
    """Two crops of noise as the network takes them."""
    spec = network.input
    pixels = np.random.default_rng(0).uniform(0, 255, (2, spec.size, spec.size, spec.depth))
    return np.asarray(pixels * spec.scale + spec.offset, np.float32)


def test_every_network_is_pinned_to_its_size(name: str, model: keras.Model) -> None:
    assert set(COUNTS) == set(NETWORKS)
    assert model.count_params() == COUNTS[name]


def test_every_network_predicts_age_and_gender(network: Network, model: keras.Model) -> None:
    assert model.input_shape == (None, network.input.size, network.input.size, network.input.depth)
    outputs = {k: np.asarray(v) for k, v in model(batch(network), training=False).items()}
    assert set(outputs) == {"age", "male"} | ({"nodes"} if network.age_bins else set())
    assert outputs["age"].shape == outputs["male"].shape == (2,)
    if network.age_bins:
        assert outputs["nodes"].shape == (2, len(network.age_bins))
        np.testing.assert_allclose(outputs["nodes"].sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(outputs["age"], outputs["nodes"] @ network.age_bins, rtol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes a TensorFlow tape")
def test_a_small_step_down_the_gradient_lowers_the_loss(
    network: Network, model: keras.Model
) -> None:
    import tensorflow as tf

    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # the same function twice
    crops = batch(network)

    def loss() -> tf.Tensor:
        outputs = model(crops, training=True)
        off = tf.abs(outputs["age"] - 20.0) / 10 + tf.square(outputs["male"] - 1.0)
        return tf.reduce_mean(off)

    with tf.GradientTape() as tape:
        before = loss()
    gradients = tape.gradient(before, model.trainable_variables)
    assert all(g is not None and np.isfinite(g).all() for g in gradients)
    rate = 1e-3 * before / sum(tf.reduce_sum(tf.square(g)) for g in gradients)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        variable.assign_sub(rate * gradient)
    assert loss() < before


@pytest.mark.parametrize(
    ("build", "config", "count"),
    [
        (mobilenet.build, {"alpha": 0.25}, 226_309),
        (mobilenet.build, {"alpha": 0.5}, 842_421),
        (densenet.build, {"depth": 13}, 108_377),
        (densenet.build, {"depth": 19}, 242_009),
        (levi_hassner.build, {}, 8_859_144),
    ],
)
def test_the_authors_nets_of_age_alone_have_their_sizes(build, config: dict, count: int) -> None:
    model = build(["age"], **config)
    assert model.count_params() == count
    assert "male" not in model.output


def test_lmtcnn_holds_144_thousand_parameters_in_its_convolutions() -> None:
    model = lmtcnn.build(head="gap")
    wide = {"full2": 384 * 512 + 512, "nodes": 512 * 8 + 8, "genders": 512 * 2 + 2}
    assert model.count_params() - sum(wide.values()) == 144_224
    assert model.get_layer("conv1").output.shape == (None, 56, 56, 96)
    assert model.get_layer("pool1").output.shape == (None, 28, 28, 96)
    assert model.get_layer("pointwise_bn3").output.shape == (None, 14, 14, 384)


def test_c3ae_has_the_layer_sizes_of_the_paper_except_the_bias_of_conv1() -> None:
    model = c3ae.build(["age"], se=False)
    ledger = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    paper = {f"bn{k}": 128 for k in (1, 2, 3, 4)} | {f"conv{k}": 9248 for k in (2, 3, 4)}
    paper |= {"conv1": 896 - 32, "conv5": 1056, "pred": 13}
    assert ledger.pop("W1") == 3 * 512 * 12 + 12  # 6,156 in the paper's net of one crop
    assert ledger == paper
    assert sum(paper.values()) + 32 + 6156 == 36_377
    assert model.count_params() == 48_633
    assert c3ae.build(["age"], se=True).count_params() == 48_633 + 5 * 1072


@pytest.mark.parametrize("name", ["c3ae", "densenet-13", "lmtcnn-gap", "mobilenet-025"])
def test_heads_stay_exact_where_the_trunk_trains_in_bfloat16(name: str) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = ARCHITECTURES[NETWORKS[name].architecture](**NETWORKS[name].config)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {output.dtype for output in model.output.values()} == {"float32"}
    outputs = model(batch(NETWORKS[name]), training=False)
    assert {keras.backend.standardize_dtype(v.dtype) for v in outputs.values()} == {"float32"}
    convolution = next(v for v in model.layers if isinstance(v, keras.layers.Conv2D))
    assert convolution.compute_dtype == "bfloat16"


def test_the_layers_of_our_own_are_the_same_in_a_graph(tmp_path: Path) -> None:
    network = NETWORKS["lmtcnn-gap"]
    model = ARCHITECTURES[network.architecture](**network.config)
    about = Description("net", "lmtcnn", network.config, network.input, "here")
    manifest = write_model(model, about, tmp_path)
    assert list(manifest.outputs) == ["age", "male", "nodes"]
    crops = np.random.default_rng(0).integers(0, 256, (2, 227, 227, 3), np.uint8)
    outputs = load_keras(manifest)(network_input(crops, manifest.input), training=False)
    ages, males = Estimator(manifest, choose_device("cpu")).predict(crops)
    np.testing.assert_allclose(ages, np.asarray(outputs["age"]), atol=1e-3)
    np.testing.assert_allclose(males, np.asarray(outputs["male"]), atol=1e-4)


@pytest.mark.parametrize(
    "name", ["c3ae", "densenet-13", "lmtcnn-gap", "mobilenet-025", "ssrnet-joint"]
)
def test_architectures_become_tensorflow_lite(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    model = ARCHITECTURES[network.architecture](**network.config)
    write_graph(model, tmp_path / "net.tflite", "tflite")
    crops = batch(network)
    outputs = TfliteNetwork(tmp_path / "net.tflite")(crops)
    check_parity(outputs, keras_network(model)(crops), "float32", name)


# Layers


def test_an_expectation_is_the_mean_of_the_values_of_the_classes() -> None:
    chances = np.array([[1, 0, 0], [0, 0.75, 0.25]], np.float32)
    assert np.asarray(Expectation((5, 20, 60))(chances)).tolist() == [5.0, 30.0]


def test_images_are_standardized_one_by_one() -> None:
    images = np.array([[[[0.0], [2.0]]], [[[7.0], [7.0]]]], np.float32)
    assert np.asarray(PerImageStandardization()(images)).ravel().tolist() == [-1, 1, 0, 0]


def test_responses_are_normalized_over_their_neighbours() -> None:
    x = np.array([[[[1.0, 2.0, 3.0, 4.0]]]], np.float32)
    layer = LocalResponseNormalization(radius=1, alpha=0.5, beta=2.0)
    # 1 + (1 + 4) / 2, 1 + (1 + 4 + 9) / 2, 1 + (4 + 9 + 16) / 2, 1 + (9 + 16) / 2, squared
    expected = [1 / 3.5**2, 2 / 8**2, 3 / 15.5**2, 4 / 13.5**2]
    np.testing.assert_allclose(np.asarray(layer(x)).ravel(), expected, rtol=1e-6)
