"""Manifests: what is wrong with a model is said in one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.crops.spec import InputSpec
from models.errors import ModelError
from models.manifest import MEANINGS, WEIGHTS, Manifest, load_manifest, names, sha256


@pytest.fixture
def saved(tmp_path: Path) -> Manifest:
    """A model of one file in a folder of its own."""
    weights = tmp_path / "small.onnx"
    weights.write_bytes(b"weights")
    files = {"onnx": {"name": weights.name, "sha256": sha256(weights)}}
    spec = InputSpec(size=48, align="box", crop_fraction=0.75)
    manifest = Manifest("small", "ssrnet", {"joint": True}, spec, files, MEANINGS, folder=tmp_path)
    manifest.save()
    return manifest


def refusal(path: Path | str) -> str:
    """The one line with which a model is refused."""
    with pytest.raises(ModelError) as error:
        load_manifest(str(path)).file("onnx")
    message = str(error.value)
    assert "\n" not in message
    return message


def changed(manifest: Manifest, **values: Any) -> Path:
    """The manifest's file with other values."""
    path = manifest.folder / "small.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return path


def test_a_manifest_comes_back_as_it_was_saved(saved: Manifest) -> None:
    assert load_manifest(str(saved.folder / "small.json")) == saved
    assert saved.file("onnx").read_bytes() == b"weights"


def test_weights_that_differ_from_their_manifest_are_refused(saved: Manifest) -> None:
    (saved.folder / "small.onnx").write_bytes(b"Weights")
    message = refusal(saved.folder / "small.json")
    assert str(saved.folder / "small.onnx") in message
    assert "sha256" in message


def test_missing_weights_are_named(saved: Manifest) -> None:
    (saved.folder / "small.onnx").unlink()
    assert f"{saved.folder / 'small.onnx'} is missing" in refusal(saved.folder / "small.json")


def test_a_kind_of_weights_that_a_model_does_not_have_is_named(saved: Manifest) -> None:
    with pytest.raises(ModelError, match="small has no keras file; it has onnx"):
        saved.file("keras")


@pytest.mark.parametrize("name", ["no-such-model", "no/such/folder/model.json"])
def test_an_unknown_model_is_refused_with_a_list_of_models(name: str) -> None:
    message = refusal(name)
    assert repr(name) in message
    assert "manifest (.json)" in message


@pytest.mark.parametrize("text", ["{", "[]", "3", "", '{"name": "small"}', "\xff\xfe"])
def test_a_broken_manifest_is_not_readable(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode("latin-1"))
    assert f"manifest {path} is not readable" in refusal(path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"input": {"size": 64, "align": "eyes"}}, "align is 'eyes', not points or box or context"),
        ({"input": {"channels": "gray"}}, "channels is 'gray', not bgr or rgb"),
        ({"input": {"view": 0}}, "view 0: no crop"),
        ({"input": {"zoom": 2}}, "zoom"),
        ({"files": {"onnx": {"name": "small.onnx"}}}, "it has no 'sha256'"),
        ({"data": None}, "is not readable"),
        ({"config": 3}, "is not readable"),
        ({"calibration": None}, "is not readable"),
        ({"calibration": {"age": [0, 5]}}, "its calibration is not a table of numbers"),
        ({"calibration": {"temperature": []}}, "its calibration is not a table of numbers"),
        ({"calibration": {"temperature": [0]}}, "its calibration is not a table of numbers"),
        ({"calibration": {"age": ["a"], "age_low": [0], "age_high": [9]}}, "could not convert"),
    ],
)
def test_invalid_values_are_named(saved: Manifest, values: dict, reason: str) -> None:
    assert reason in refusal(changed(saved, **values))


def test_keys_of_a_later_version_are_ignored(saved: Manifest) -> None:
    assert load_manifest(str(changed(saved, colour="blue"))) == saved


def test_every_shipped_manifest_finds_its_weights() -> None:
    manifests = [load_manifest(path.stem) for path in WEIGHTS.glob("*.json")]
    assert "mtcnn" in {manifest.name for manifest in manifests}
    for manifest in manifests:
        assert all(manifest.file(kind).is_file() for kind in manifest.files)


def test_shipped_manifests_are_saved_as_they_were_read(tmp_path: Path) -> None:
    for name in names():
        saved = replace(load_manifest(name), folder=tmp_path).save()
        assert saved.read_bytes() == (WEIGHTS / f"{name}.json").read_bytes()


def test_older_keys_stay_in_the_file(saved: Manifest) -> None:
    path = changed(saved, mirror=True)
    manifest = load_manifest(str(path))
    assert manifest.flip_tta
    assert manifest.input.crop_fraction == 0.75
    record = json.loads(manifest.save().read_text())
    assert (record["mirror"], record["input"]["view"]) == (True, 0.75)
    assert manifest.input.cache_key == (  # cached predictions and chips are found by it
        "InputSpec(size=48, align='box', margin=0.4, view=0.75, border='replicate', "
        "channels='bgr', scale=1.0, offset=0.0)"
    )


def test_the_digest_is_the_onnx_files_or_the_first_files(saved: Manifest) -> None:
    files = {kind: {"name": kind, "sha256": kind} for kind in ("tflite", "keras", "onnx")}
    assert replace(saved, files=files).digest == "onnx"
    assert replace(saved, files={"tflite": files["tflite"], "keras": files["keras"]}).digest == (
        "tflite"
    )
    assert replace(saved, files={}).digest == ""
