import doctest
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

import demo
from demo import Options, UserError, analyze, analyze_photo, face_records, to_pandas, to_supervision

ROOT = Path(__file__).resolve().parents[1]
NAMES = """
AgeStreamError Analysis Event Faces Frame ModelError Options PhotoPipeline Pipeline Settings
UserError analyze analyze_photo annotate build_run face_records frame_record load_networks
open_source to_pandas to_supervision
""".split()


def test_the_exported_names_are_these_and_all_exist():
    assert demo.__all__ == sorted(NAMES)
    for name in NAMES:
        assert getattr(demo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        demo.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_else():
    code = "import sys, demo, demo.options; print({'cv2', 'av', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    "name",
    ["demo.api", "demo.records", "demo.display.overlay", "demo.frames", "demo.faces.pipeline"],
)
def test_the_examples_of_the_docstrings_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    module = __import__(name, fromlist=["_"])
    failed, tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0
    assert tried > 0


def test_a_video_gives_frames_and_faces(clip):
    given = [(frame.index, faces.ids.tolist()) for frame, faces in analyze(clip)]
    assert [index for index, _ in given] == list(range(20))
    assert all(sorted(ids) == [1, 2] for _, ids in given)


def test_the_margin_counts_for_photos_as_on_the_command_line(astronaut, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    options = Options(margin=0.2)
    ((_, expected),) = analyze(tmp_path, options)
    ages = analyze_photo(astronaut, options).ages
    np.testing.assert_array_equal(ages, expected.ages)
    assert (ages != analyze_photo(astronaut).ages).all()


def test_photos_are_arrays_or_paths(astronaut, tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), astronaut)
    from_array, from_path = analyze_photo(astronaut), analyze_photo(str(path))
    assert len(from_array) == len(from_path) == 1
    np.testing.assert_array_equal(from_array.ages, from_path.ages)
    ((frame, faces),) = analyze(tmp_path)
    assert frame.source == str(path)
    np.testing.assert_array_equal(faces.ages, from_path.ages)


@pytest.mark.parametrize(
    "photo", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)], ids=["gray", "float"]
)
def test_an_array_that_is_not_a_photo_is_refused(photo):
    with pytest.raises(UserError, match=r"a photo is an array \(H, W, 3\) of uint8"):
        analyze_photo(photo)


def test_options_of_the_command_line_work_and_files_are_complete_when_the_loop_is_left(
    clip, tmp_path
):
    options = Options(log=tmp_path / "a.jsonl", output=tmp_path / "a.mp4", anonymize="mask")
    for frame, _ in analyze(clip, options):
        if frame.index == 4:
            break
    del frame
    assert len(options.log.read_text().splitlines()) == 5
    assert options.output.stat().st_size > 0


def test_what_goes_wrong_on_the_way_is_a_warning_or_an_event(clip, tmp_path):
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.warns(UserWarning, match="ends early"):
        list(analyze(cut))
    events = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(analyze(cut, notify=events.append))
    assert [event.kind for event in events if event.kind != "info"] == ["failed"]


def test_a_source_that_does_not_exist_raises_one_line():
    with pytest.raises(UserError, match=r"^no such file or folder: none\.mp4$"):
        next(analyze("none.mp4"))


def test_faces_become_a_pandas_table(clip):
    pytest.importorskip("pandas", reason="pandas is absent")
    table = to_pandas(analyze(clip, Options(max_frames=6)))
    assert len(table) == 12
    assert table.groupby("frame").id.apply(sorted).tolist() == [[1, 2]] * 6
    assert table.columns[:4].tolist() == ["source", "frame", "time", "id"]


def test_faces_become_detections_of_supervision(clip):
    supervision = pytest.importorskip("supervision", reason="supervision is absent")
    *_, (_, faces) = analyze(clip)
    detections = to_supervision(faces)
    assert isinstance(detections, supervision.Detections)
    np.testing.assert_array_equal(detections.xyxy, faces.boxes)
    assert detections.tracker_id.tolist() == faces.ids.tolist()
    assert [record["age"] for record in face_records(faces)] == pytest.approx(
        detections.data["age"].tolist(), abs=0.01
    )
