"""SSR-Net: its size, its merge by hand, its weights and its gradients."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from models.exporting import parity
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import load_manifest
from models.networks import ssrnet
from models.networks.ssrnet import SoftStagewiseMerge
from models.zoo import load_keras

# p, η and Δ of three stages, one face: Σ p·(i + η) = 1.5, 4.75, 2 and widths 3, 3·3·2, 3·3·2·3·½
STAGES = [
    [0, 1, 0], [0, 0.5, 0], [0],
    [1, 0, 2], [-0.25, 0, 0.5], [1],
    [0, 0, 1], [0, 0, 0], [-0.5],
]  # fmt: skip
MERGED = 1.5 / 3 + 4.75 / 18 + 2 / 27
# with λ = ½: Σ = 1.25, 4.375, 2 and widths 3, 3·3·1.5, 3·3·1.5·3·¾
HALF_MERGED = 1.25 / 3 + 4.375 / 13.5 + 2 / 30.375


def merged(stages: list, span: float = 101, lambdas: float = 1, training: bool = True) -> float:
    layer = SoftStagewiseMerge(span, lambdas, lambdas)
    arrays = [np.array([values], np.float32) for values in stages]
    y = np.asarray(keras.ops.convert_to_numpy(layer(arrays, training=training)))
    assert y.shape == (1,)
    return float(y[0])


def awake(model: keras.Model) -> keras.Model:
    """The net with random weights under which no output rests at its limits."""
    rng = np.random.default_rng(3)
    weights = model.get_weights()
    model.set_weights([rng.uniform(0, 1, w.shape) / max(w[..., 0].size, 3) for w in weights])
    return model


def with_first(p: list[float], eta: list[float], delta: float) -> list:
    """Only the first stage holds something; three bins each."""
    nothing = [[0, 0, 0], [0, 0, 0], [0]]
    return [p, eta, [delta], *nothing, *nothing]


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"outputs": ["age"]}, 40_915),
        ({"outputs": ["male"]}, 40_915),
        ({"joint": True}, 45_014),
        ({"joint": False}, 81_830),
    ],
)
def test_parameter_counts_are_those_of_the_papers(config: dict, count: int) -> None:
    assert ssrnet.build(**config).count_params() == count


def test_the_papers_net_trains_40_531_of_its_parameters() -> None:
    weights = ssrnet.build(["age"]).trainable_variables
    assert sum(int(np.prod(w.shape)) for w in weights) == 40_531


def test_the_merge_is_the_papers_formula() -> None:
    assert merged(STAGES) == pytest.approx(101 * MERGED, rel=1e-6)
    assert merged(STAGES, lambdas=0.5) == pytest.approx(101 * HALF_MERGED, rel=1e-6)
    assert merged(STAGES, lambdas=0) == pytest.approx(101 * (1 / 3 + 4 / 9 + 2 / 27), rel=1e-6)
    assert merged(STAGES, span=1) == pytest.approx(MERGED, rel=1e-6)


def test_stages_may_have_other_numbers_of_bins() -> None:
    stages = [[0, 2], [0, 0.5], [0], [0, 0, 0, 1], [0] * 4, [0], [1], [0.25], [0]]
    expected = 101 * (2 * 1.5 / 2 + 3 / (2 * 4) + 0.25 / (2 * 4 * 1))
    assert merged(stages) == pytest.approx(expected, rel=1e-6)


def test_a_bin_width_never_falls_to_zero() -> None:
    stages = with_first([0, 1, 0], [0, 0.5, 0], -1)
    assert merged(stages) == pytest.approx(101 * 1.5 / (3 * 1e-3), rel=1e-5)
    assert merged(stages, training=False) == 100


def test_ages_are_clipped_outside_training_only() -> None:
    below, above = with_first([1, 0, 0], [-1, 0, 0], 0), with_first([0, 0, 2], [0, 0, 0], 0)
    assert merged(below) == pytest.approx(-101 / 3, rel=1e-6)
    assert merged(below, training=False) == 0
    assert merged(above) == pytest.approx(101 * 4 / 3, rel=1e-6)
    assert merged(above, training=False) == 100


def test_probabilities_are_clipped_to_one() -> None:
    above = with_first([0, 0, 2], [0, 0, 0], 0)
    assert merged(above, span=1) == pytest.approx(4 / 3, rel=1e-6)
    assert merged(above, span=1, training=False) == 1


def test_weights_of_the_opposite_label_are_turned_round() -> None:
    usual, opposite = (awake(ssrnet.build(["male"], male_is=label)) for label in (1, 0))
    crops = np.random.default_rng(0).uniform(0, 1, (4, 64, 64, 3)).astype(np.float32)
    male, female = (np.asarray(m(crops, training=False)["male"]) for m in (opposite, usual))
    assert male.shape == (4,)
    assert 0 < male[0] < 1
    np.testing.assert_allclose(male, 1 - female, atol=1e-6)


def test_a_saved_network_predicts_the_same_after_loading(tmp_path: Path) -> None:
    model = awake(ssrnet.build(stage_num=(3, 4, 2), lambda_local=0.5))
    crops = np.random.default_rng(0).uniform(0, 1, (4, 64, 64, 3)).astype(np.float32)
    expected = model(crops, training=False)
    model.save_weights(tmp_path / "net.weights.h5")
    model.save(tmp_path / "net.keras")
    fresh = ssrnet.build(stage_num=(3, 4, 2), lambda_local=0.5)
    fresh.load_weights(tmp_path / "net.weights.h5")
    for loaded in (fresh, keras.saving.load_model(tmp_path / "net.keras")):
        for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(theirs, ours)
        again = loaded(crops, training=False)
        for output, values in expected.items():
            assert len(set(np.asarray(values).tolist())) > 1
            np.testing.assert_array_equal(np.asarray(again[output]), np.asarray(values))


def test_a_training_step_has_finite_gradients() -> None:
    keras.utils.set_random_seed(3)
    model = ssrnet.build()
    before = [w.copy() for w in model.get_weights()]
    model.compile("sgd", loss={"age": "mae", "male": "mse"}, jit_compile=False)
    crops = np.random.default_rng(0).uniform(0, 255, (8, 64, 64, 3)).astype(np.float32)
    labels = {"age": np.full(8, 40.0, np.float32), "male": np.ones(8, np.float32)}
    loss = model.train_on_batch(crops, labels)
    after = model.get_weights()
    assert np.isfinite(loss).all()
    assert all(np.isfinite(w).all() for w in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes a TensorFlow tape")
def test_the_merge_has_finite_gradients_where_a_bin_width_would_vanish() -> None:
    import tensorflow as tf

    stages = with_first([0.2, 1, 0.3], [0.9, -0.5, 0], -1)
    arrays = [tf.constant([values], tf.float32) for values in stages]
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        y = SoftStagewiseMerge(101.0, 1.0, 1.0)(arrays, training=True)
    assert all(np.isfinite(g.numpy()).all() for g in tape.gradient(y, arrays))


@pytest.mark.parametrize("name", ["ssrnet", "ssrnet-joint"])
def test_shipped_weights_predict_the_same_in_keras_and_onnx(name):
    manifest = load_manifest(name)
    crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    graph = Estimator(replace(manifest, flip_tta=False, calibration={}), choose_device("cpu"))
    outputs = load_keras(manifest)(crops.astype(np.float32))
    for predicted, output in zip(graph.predict(crops), ("age", "male"), strict=True):
        limit = 100.0 if output == "age" else 1.0
        expected = np.clip(np.asarray(outputs[output]), 0.0, limit)
        np.testing.assert_allclose(predicted, expected, atol=parity.TOLERANCE[output])
