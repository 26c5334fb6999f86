"""The command as a user types it, on the bundled clip and with the shipped weights."""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import stream
from demo.session import Session
from demo.sinks.photos import PhotoRecorder
from demo.sources.open import open_source
from demo.sources.schedule import Schedule
from demo.timing import Stopwatch
from models.commands import INTERRUPTED
from tests.synthetic import NoFaces, read_image

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "assets" / "demo.mp4"


def run(capsys, *arguments: object) -> tuple[int, list[str]]:
    """Exit code and the lines that the command itself printed."""
    code = stream.main(["--no-display", *map(str, arguments)])
    lines = capsys.readouterr().err.splitlines()
    return code, [line.removeprefix("stream: ") for line in lines if line.startswith("stream: ")]


def read_log(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_bundled_clip_is_annotated_and_logged(tmp_path, capsys):
    code, lines = run(
        capsys,
        "-s",
        CLIP,
        "-o",
        tmp_path / "a.mp4",
        "--log",
        tmp_path / "a.jsonl",
        "--max-frames",
        60,
    )
    assert code == 0
    assert f"wrote {tmp_path / 'a.mp4'}" in lines
    with av.open(str(tmp_path / "a.mp4")) as recording:
        video = recording.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (960, 540, 25)
        assert sum(1 for _ in recording.decode(video)) == 60
    log = read_log(tmp_path / "a.jsonl")
    assert [entry["frame"] for entry in log] == list(range(60))
    for entry in log[10:]:
        assert sorted(face["id"] for face in entry["faces"]) == [1, 2]
        assert all(face["male"] < 0.5 and 15 < face["age"] < 60 for face in entry["faces"])


def test_a_recording_that_was_never_begun_is_not_said_to_be_written(tmp_path, capsys, monkeypatch):
    def interrupted(schedule: Schedule) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Schedule, "turn", interrupted)
    old = [tmp_path / name for name in ("old.mp4", "old.jsonl", "old.html")]
    for path in old:
        path.write_bytes(b"of another day")
    video, log, summary = old
    code, lines = run(capsys, "-s", CLIP, "-o", video, "--log", log, "--summary", summary)
    assert code == INTERRUPTED
    assert not [line for line in lines if line.startswith("wrote")]
    assert [path.read_bytes() for path in old] == [b"of another day"] * 3


@pytest.mark.parametrize("source", ["photos", "photos/bad.jpg"])
def test_a_run_without_a_frame_leaves_what_was_written_before(tmp_path, capsys, source):
    bad, log, summary = (tmp_path / name for name in ("photos/bad.jpg", "old.csv", "old.json"))
    bad.parent.mkdir()
    for path in (bad, log, summary):
        path.write_bytes(b"of another day")
    code, (*_, line) = run(capsys, "-s", tmp_path / source, "--log", log, "--summary", summary)
    assert code == 2
    assert "is not a picture that can be read" in line
    assert log.read_bytes() == summary.read_bytes() == b"of another day"


def test_a_source_is_not_overwritten_under_another_name(tmp_path, capsys):
    clip, link = tmp_path / "a.mp4", tmp_path / "b.mp4"
    shutil.copy(CLIP, clip)
    link.hardlink_to(clip)
    code, (line,) = run(capsys, "-s", clip, "-o", link, "--max-frames", 1)
    assert code == 2
    assert line == f"-o {link} is the file of -s: name another one"
    assert clip.read_bytes() == CLIP.read_bytes()


@pytest.mark.parametrize("source", ["2024", "2024/a.png"])
def test_the_folder_of_the_photos_is_refused_before_anything_is_written(
    tmp_path, capsys, astronaut, source
):
    folder, log = tmp_path / "2024", tmp_path / "old.csv"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), astronaut)
    log.write_bytes(b"of another day")
    code, (line,) = run(capsys, "-s", tmp_path / source, "--log", log, "-o", folder)
    assert code == 2
    assert line == f"-o {folder} is the folder of the photos: name another one"
    assert log.read_bytes() == b"of another day"


def test_photos_are_annotated_into_a_folder_each_for_itself(tmp_path, capsys, astronaut):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(photos / name), astronaut)
    out, log = tmp_path / "out", tmp_path / "out" / "log.jsonl"
    assert run(capsys, "-s", photos, "-o", out, "--log", log, "--summary", out / "s.json")[0] == 0
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.jpg", "log.jsonl", "s.json"]
    log = read_log(log)
    assert [Path(entry["source"]).name for entry in log] == ["a.png", "b.jpg"]
    for entry in log:
        (face,) = entry["faces"]
        assert face["id"] == 1
        assert face["male"] < 0.5


def test_figures_of_speed_are_not_drawn_on_photos(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / f"{k:02}.png"), np.full((60, 200, 3), 90, np.uint8))
    recorder = PhotoRecorder(out, single=False)
    session = Session([(open_source(str(folder)), NoFaces())], pictures=[recorder])
    assert session.run().frames == 12
    assert {tuple(np.unique(read_image(path))) for path in out.iterdir()} == {(90,)}


def test_the_last_line_tells_of_all_frames_and_the_overlay_of_the_last_sixty(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    stopwatch, told = Stopwatch(), []
    for k in range(121):
        told.append(stopwatch.summary())
        with stopwatch.stage("detect"):
            now[0] += 0.1 if k < 41 else 0.05
        stopwatch.frame_done()
    assert told[:3] == ["", "detect 100.0 ms", "10.0 fps · detect 100.0 ms"]
    assert stopwatch.summary() == "15.0 fps · detect 66.9 ms"  # 120 in 8 s
    assert stopwatch.line == "20.0 fps · detect 50.0 ms"


def test_two_sources_of_one_name_are_told_apart(tmp_path, capsys):
    log = tmp_path / "a.jsonl"
    arguments = ["-s", CLIP, "-s", CLIP, "--log", log, "--max-frames", 4]
    assert run(capsys, *arguments)[0] == 0
    assert {entry["source"] for entry in read_log(log)} == {str(CLIP), f"{CLIP} (2)"}


def test_an_anonymized_photo_keeps_its_labels_and_no_face(tmp_path, capsys, astronaut):
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    out, log = tmp_path / "b.png", tmp_path / "a.jsonl"
    arguments = ["-s", tmp_path / "a.png", "-o", out, "--log", log, "--anonymize", "mask"]
    assert run(capsys, *arguments)[0] == 0
    (entry,) = read_log(log)
    assert entry["faces"][0]["age"] is not None
    covered = read_image(out)
    assert (covered[125:165, 190:255] == covered[125, 190]).all()
    assert len(np.unique(covered[40:60, 150:300].reshape(-1, 3), axis=0)) > 100  # the label


def test_a_csv_log_can_be_asked_for(tmp_path, capsys):
    assert run(capsys, "-s", CLIP, "--log", tmp_path / "a.csv", "--max-frames", 3)[0] == 0
    assert (tmp_path / "a.csv").read_text().startswith("source,frame,time,id,x1")


def test_both_detectors_see_both_people(tmp_path, capsys):
    pytest.importorskip("dlib")
    for detector in ("mtcnn", "dlib"):
        log = tmp_path / f"{detector}.jsonl"
        run(capsys, "-s", CLIP, "--detector", detector, "--log", log, "--max-frames", 10)
        assert [len(entry["faces"]) for entry in read_log(log)] == [2] * 10


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-s", "nothing.mp4"], "no such file or folder: nothing.mp4"),
        (["-s", CLIP, "--model", "nonsense"], "unknown model 'nonsense': choose "),
        (["-s", CLIP, "-o", "/nowhere/a.mp4"], "there is no folder /nowhere"),
        (["-s", CLIP, "--log", "a.txt"], "must end in .csv, .jsonl"),
        (["-s", CLIP, "--summary", "a.txt"], "must end in .html, .json"),
        (["-s", CLIP, "-o", CLIP], f"-o {CLIP} is the file of -s: name another one"),
        (["-s", CLIP, "--log", "x.jsonl", "-o", "x.jsonl"], "is the file of -o"),
        (["-s", "x" * 300], "File name too long"),
        (["-s", "97"], "cannot open camera 97: "),
        (["-s", "rtsp://127.0.0.1:9/nothing"], "cannot open stream rtsp://127.0.0.1:9/nothing"),
        (["-s", CLIP, "--device", "gpu"], "no GPU: "),
        (
            ["-s", CLIP, "--anonymize", "blur", "--detect-every", 4],
            "--detect-every and --budget-ms would",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, complaint):
    code, lines = run(capsys, *arguments)
    assert code == 2
    assert len(lines) == 1
    assert complaint in lines[0]


def test_a_number_larger_than_any_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        stream.main(["--min-face", "9" * 400])
    assert "is not a whole number of at least 1" in capsys.readouterr().err


def test_without_camera_a_newcomer_is_told_the_command_that_works(capsys):
    if cv2.VideoCapture(0).isOpened():
        pytest.skip("this machine has a camera")
    code, (line,) = run(capsys)
    assert code == 2
    assert line.endswith("try: python stream.py -s assets/demo.mp4")


def test_the_live_path_imports_no_training_framework():
    code = (
        "import sys, stream; stream.main(['--no-display', '-s', 'assets/demo.mp4',"
        " '--max-frames', '2']); "
        "print(sorted({'tensorflow', 'keras', 'torch', 'jax', 'mtcnn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


def test_the_version_is_that_of_the_project(capsys):
    with pytest.raises(SystemExit, match="0"):
        stream.main(["--version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"AgeStream {project['version']}\n"
