"""Weights of other projects: the SSR-Net authors' files and the mtcnn package's."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from models import convert
from models.errors import ModelError
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import WEIGHTS, load_manifest, sha256
from models.networks import ssrnet
from models.upstream.keras2 import keras2_layers
from models.upstream.mtcnn_files import MTCNN_SHA256, convert_mtcnn
from models.upstream.ssrnet_files import NUMBERED, SsrnetFile, read_ssrnet
from models.zoo import load_keras

NAMED = {"p": "pred_age_stage", "eta": "local_delta_stage", "delta_s": "delta_s"}


def authors_arrays(stage_num: tuple[int, ...] = (3, 3, 3), first: int = 1) -> dict:
    """A net with random weights under the authors' names, the unnamed layers counted from `first`:
    {"conv2d_5": {"kernel": …, "bias": …}, …}."""
    rng = np.random.default_rng(0)
    theirs = {our + str(k): f"{their}{k}" for our, their in NAMED.items() for k in (1, 2, 3)}
    for kind, ours in NUMBERED.items():
        theirs |= {our: f"{kind}_{first + i}" for i, our in enumerate(ours)}
    return {
        theirs[layer.name]: {
            w.name: rng.normal(size=tuple(w.shape)).astype(np.float32) for w in layer.weights
        }
        for layer in ssrnet.build(["age"], stage_num=stage_num).layers
        if layer.weights
    }


def write_keras2(path: Path, layers: dict, root: str = "/") -> Path:
    """A file as Keras 2 writes it, with layers that have no weights among the others."""
    with h5py.File(path, "w") as file:
        group = file.require_group(root)
        group.attrs["layer_names"] = [b"input_1", *(name.encode() for name in layers), b"flatten_1"]
        for empty in ("input_1", "flatten_1"):
            group.create_group(empty).attrs["weight_names"] = np.zeros(0, "S1")
        for name, weights in layers.items():
            names = [f"{name}/{weight}:0" for weight in weights]
            group.create_group(name).attrs["weight_names"] = [n.encode() for n in names]
            for full, array in zip(names, weights.values(), strict=True):
                group[name][full] = array
    return path


def ssrnet_file(path: Path) -> SsrnetFile:
    """An SSR-Net as it is read."""
    return read_ssrnet(path, keras2_layers(path))


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Run the command and return the one line that it prints on standard error."""

    def run(*arguments: str | Path) -> str:
        command = [*map(str, arguments), "--as", "refused", "--out", str(tmp_path / "out")]
        assert convert.main(command) == 2
        message: str = capsys.readouterr().err
        assert message.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return message

    return run


# Reading the authors' files


def test_every_array_finds_its_layer(tmp_path: Path) -> None:
    arrays = authors_arrays()
    file = ssrnet_file(write_keras2(tmp_path / "net.h5", arrays))
    assert (file.output, file.stage_num) == ("age", [3, 3, 3])
    expected = {
        "x_conv1": "conv2d_1",
        "s_conv1": "conv2d_5",
        "s_tap1": "conv2d_9",
        "x_tap3": "conv2d_14",
        "x_bn4": "batch_normalization_4",
        "s_mix1": "dense_1",
        "x_mix2": "dense_5",
        "feature3": "dense_9",
        "p2": "pred_age_stage2",
        "eta3": "local_delta_stage3",
        "delta_s1": "delta_s1",
    }
    for ours, theirs in expected.items():
        for name, array in arrays[theirs].items():
            np.testing.assert_array_equal(file.layers[ours][name], array)


def test_layers_may_be_counted_from_any_number_and_lie_in_a_whole_model(tmp_path: Path) -> None:
    usual = ssrnet_file(write_keras2(tmp_path / "a.h5", authors_arrays()))
    late = write_keras2(tmp_path / "b.h5", authors_arrays(first=95), root="model_weights")
    unnumbered = {k.removesuffix("_0"): v for k, v in authors_arrays(first=0).items()}
    assert "conv2d" in unnumbered
    for path in (late, write_keras2(tmp_path / "c.h5", unnumbered)):
        for ours, weights in ssrnet_file(path).layers.items():
            for name, array in weights.items():
                np.testing.assert_array_equal(array, usual.layers[ours][name])


def test_the_numbers_of_bins_are_read_from_the_file(tmp_path: Path) -> None:
    path = write_keras2(tmp_path / "net.h5", authors_arrays((5, 4, 2)))
    assert ssrnet_file(path).stage_num == [5, 4, 2]


def test_a_gender_file_is_recognized_by_its_layers(tmp_path: Path) -> None:
    arrays = {k.replace("pred_age_", "pred_"): v for k, v in authors_arrays().items()}
    assert ssrnet_file(write_keras2(tmp_path / "net.h5", arrays)).output == "male"


# Refusals


def test_a_layer_of_another_shape_is_refused_with_both_shapes(
    tmp_path: Path, refusal: Callable
) -> None:
    arrays = authors_arrays()
    arrays["conv2d_6"]["kernel"] = np.zeros((3, 3, 16, 24), np.float32)
    message = refusal(write_keras2(tmp_path / "net.h5", arrays))
    assert "conv2d_6 has kernel (3, 3, 16, 24)" in message
    assert "s_conv2 takes kernel (3, 3, 16, 16)" in message


def test_a_missing_layer_is_refused_with_what_it_takes(tmp_path: Path, refusal: Callable) -> None:
    arrays = authors_arrays()
    del arrays["local_delta_stage2"]
    message = refusal(write_keras2(tmp_path / "net.h5", arrays))
    assert "it has no layer where eta2 takes kernel (6, 3)" in message


def test_a_layer_too_many_is_refused(tmp_path: Path, refusal: Callable) -> None:
    arrays = authors_arrays() | {"conv2d_15": {"kernel": np.zeros((1, 1, 3, 3), np.float32)}}
    assert "no layer conv2d_15" in refusal(write_keras2(tmp_path / "net.h5", arrays))


def test_other_files_are_refused_by_name(tmp_path: Path, refusal: Callable) -> None:
    text = tmp_path / "text.h5"
    text.write_text("no weights")
    model = ssrnet.build(["age"])
    model.save_weights(tmp_path / "three.weights.h5")
    assert "text.h5 is not a weights file of Keras 2" in refusal(text)
    assert "is not a weights file of Keras 2" in refusal(tmp_path / "three.weights.h5")
    assert "nowhere.h5 does not exist" in refusal(tmp_path / "nowhere.h5")
    assert "--as mtcnn go together" in refusal(tmp_path)


def test_files_beside_one_that_is_a_whole_model_are_refused(
    tmp_path: Path, refusal: Callable
) -> None:
    age, faceres = write_keras2(tmp_path / "b.h5", authors_arrays()), tmp_path / "a.json"
    alone = "is a complete model: remove the other files"
    assert f"a.json {alone}" in refusal(faceres, age)
    assert f"a.json {alone}" in refusal(age, faceres)
    assert f"{tmp_path} {alone}" in refusal(tmp_path, age)


def test_the_output_of_a_file_must_be_named_or_stated(tmp_path: Path, refusal: Callable) -> None:
    age = write_keras2(tmp_path / "age.h5", authors_arrays())
    untold = {k.replace("pred_age_", "pred_x_"): v for k, v in authors_arrays().items()}
    other = write_keras2(tmp_path / "other.h5", untold)
    assert "other.h5 does not say what it predicts: add --output" in refusal(other)
    assert "age.h5 predicts age, not male" in refusal(age, "--output", "male")
    assert "are both age" in refusal(age, age)
    assert "are both age" in refusal(age, other, "--output", "age", "age")
    assert "3 files" in refusal(age, age, age)


def test_options_that_mean_nothing_for_a_file_are_refused(
    tmp_path: Path, refusal: Callable
) -> None:
    age = write_keras2(tmp_path / "age.h5", authors_arrays())
    assert "--white-norm means nothing for" in refusal(age, "--white-norm")
    assert "--male-is means nothing for" in refusal(age, "--male-is", "0")
    published = tmp_path / "net.json"
    published.write_text("{}")
    assert "--lambdas means nothing for" in refusal(published, "--lambdas", "1", "1")


def test_gender_files_of_morph2_need_their_label(tmp_path: Path, refusal: Callable) -> None:
    arrays = {k.replace("pred_age_", "pred_"): v for k, v in authors_arrays().items()}
    path = write_keras2(tmp_path / "morph2_gender.h5", arrays)
    assert "add --male-is 0" in refusal(path)


# Converted models


def test_a_converted_file_is_the_same_net(tmp_path: Path) -> None:
    untold = {
        k.replace("pred_age_", "pred_x_"): {n: 0.2 * w for n, w in v.items()}
        for k, v in authors_arrays((4, 3, 2)).items()
    }
    for name, weights in untold.items():
        if name.startswith("batch"):
            weights["moving_variance"] = np.abs(weights["moving_variance"]) + 900
    path = write_keras2(tmp_path / "net.h5", untold)
    command = [str(path), "--as", "net", "--out", str(tmp_path), "--output", "male"]
    assert convert.main([*command, "--male-is", "0"]) == 0
    manifest = load_manifest(str(tmp_path / "net.json"))
    assert list(manifest.outputs) == ["male"]
    assert manifest.config["male_is"] == 0
    assert manifest.config["stage_num"] == [4, 3, 2]
    assert "label 0 = male" in manifest.origin
    by_hand = ssrnet.build(["male"], stage_num=(4, 3, 2))
    for layer, weights in ssrnet_file(path).layers.items():
        by_hand.get_layer(layer).set_weights(list(weights.values()))
    crops = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)
    female = np.asarray(by_hand(crops.astype(np.float32), training=False)["male"])
    ages, males = Estimator(manifest, choose_device("cpu")).predict(crops)
    assert np.isnan(ages).all()
    assert len(set(males.tolist())) > 5
    np.testing.assert_allclose(males, 1 - female, atol=1e-5)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "upstream" / "golden.npz") as arrays:
        return dict(arrays)


@pytest.mark.shared
@pytest.mark.parametrize(
    "files",
    [
        {"age": "ssrnet_age_imdb", "male": "ssrnet_gender_imdb"},
        {"age": "ssrnet_age_megaage"},
    ],
    ids=["age and gender", "MegaAge"],
)
def test_the_authors_files_predict_as_with_the_authors_code(
    files: dict[str, str], shared: Path, golden: dict, tmp_path: Path
) -> None:
    paths = [str(shared / "upstream" / f"{name}.h5") for name in files.values()]
    assert convert.main([*paths, "--as", "theirs", "--out", str(tmp_path)]) == 0
    manifest = load_manifest(str(tmp_path / "theirs.json"))
    spec = manifest.input
    assert (spec.align, spec.size, spec.margin, spec.crop_fraction) == ("box", 64, 0.4, 1.0)
    images = golden["images"]
    by_keras = load_keras(manifest)(images.astype(np.float32), training=False)
    for output, name in files.items():
        np.testing.assert_allclose(np.asarray(by_keras[output]), golden[name], atol=1e-3)
    ages, males = Estimator(manifest, choose_device("cpu")).predict(images)
    by_graph = {"age": ages, "male": males}
    for output, name in files.items():
        np.testing.assert_allclose(by_graph[output], golden[name], atol=1e-3)
    assert ("20 rows" in manifest.origin) == ("ssrnet_age_megaage" in files.values())


@pytest.mark.shared
def test_keras2_layers_hold_all_40_915_parameters(shared: Path) -> None:
    layers = keras2_layers(shared / "upstream" / "ssrnet_age_imdb.h5")
    assert sum(array.size for weights in layers.values() for array in weights.values()) == 40_915


# The detector


def mtcnn_weights() -> Path | None:
    """The weights folder of the mtcnn package, found without importing it (and TensorFlow)."""
    package = importlib.util.find_spec("mtcnn")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "assets" / "weights"


@pytest.mark.skipif(mtcnn_weights() is None, reason="the mtcnn package is not installed")
def test_the_committed_detector_is_that_of_the_mtcnn_package(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("lz4")
    assert convert.main([str(mtcnn_weights()), "--as", "mtcnn", "--out", str(tmp_path)]) == 0
    for net in ("pnet", "rnet", "onet"):
        fresh, committed = (
            onnx.load(folder / f"mtcnn-{net}.onnx").graph for folder in (tmp_path, WEIGHTS)
        )
        assert [n.op_type for n in fresh.node] == [n.op_type for n in committed.node]
        for ours, theirs in zip(committed.initializer, fresh.initializer, strict=True):
            np.testing.assert_array_equal(
                onnx.numpy_helper.to_array(ours), onnx.numpy_helper.to_array(theirs)
            )


def test_only_the_files_of_the_mtcnn_package_are_unpickled(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"pnet.lz4 is missing"):
        convert_mtcnn(tmp_path, tmp_path)
    (tmp_path / "pnet.lz4").write_bytes(b"a pickle")
    assert sha256(tmp_path / "pnet.lz4") != MTCNN_SHA256["pnet"]
    with pytest.raises(ModelError, match="refused, it may hold code"):
        convert_mtcnn(tmp_path, tmp_path)


def test_a_shipped_model_is_not_written_over(tmp_path, capsys):
    (tmp_path / "age.h5").touch()
    assert convert.main([str(tmp_path / "age.h5"), "--as", "ssrnet-joint"]) == 2
    assert "has a model ssrnet-joint: choose another --as or --out" in capsys.readouterr().err
