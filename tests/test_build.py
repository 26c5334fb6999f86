import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo import build, outputs
from demo.arguments import options, parser
from demo.build import build_run
from demo.display.window import Window
from demo.errors import UserError
from demo.events import Event
from demo.networks import load_networks
from demo.options import Options
from demo.sources.video import VideoSource
from models.errors import AgeStreamError
from models.inference.estimator import Estimator
from tests.synthetic import write_clip


def chosen(*arguments: object) -> Options:
    return options(parser().parse_args([str(argument) for argument in arguments]))


def test_the_command_line_gives_options(tmp_path):
    given = chosen("-s", "a.mp4", "-s", "1", "-o", tmp_path / "b.mp4", "--detect-every", 4)
    expected = Options(
        sources=("a.mp4", "1"), output=tmp_path / "b.mp4", detect_every=4, display=True
    )
    assert given == expected
    assert chosen("--quality", "small", "--encoder", "nvenc") == Options(
        quality="small", encoder="nvenc", display=True
    )
    assert chosen("--no-display") == Options()


def test_options_are_values_that_can_be_pickled(tmp_path):
    given = Options(sources=("a.mp4",), log=tmp_path / "a.jsonl", anonymize="blur")
    assert pickle.loads(pickle.dumps(given)) == given
    assert len({given, replace(given)}) == 1


def test_a_run_is_built_run_and_reported(clip, tmp_path):
    log, summary = tmp_path / "a.jsonl", tmp_path / "a.json"
    events: list[Event] = []
    given = Options(sources=(str(clip),), log=log, summary=summary, max_frames=5)
    with build_run(given, events.append) as run:
        assert (run.title, run.photos, run.live, run.count) == (str(clip), False, False, 5)
        assert run.written == []
        assert run.session.run().frames == 5
    assert run.written == [log, summary]
    assert len(log.read_text().splitlines()) == 5
    assert events[0].text.startswith("ssrnet-joint on cpu with onnxruntime: ")


@pytest.mark.parametrize("choice", [{"encoder": "theora"}, {"quality": "best"}])
def test_an_encoder_or_quality_that_does_not_exist_is_refused(clip, tmp_path, choice):
    given = Options(sources=(str(clip),), output=tmp_path / "a.mp4", **choice)
    with (
        pytest.raises(UserError, match=r"--(encoder|quality) (theora|best): choose "),
        build_run(given),
    ):
        pass


@pytest.fixture
def closed(monkeypatch) -> list[str]:
    """What was closed: sources, estimators, audio tracks, windows."""
    names: list[str] = []

    def noted(name: str, close):
        def noting(self) -> None:
            names.append(name)
            close(self)

        return noting

    for kind in (VideoSource, Estimator, Window):
        monkeypatch.setattr(kind, "close", noted(kind.__name__, kind.close))
    return names


@pytest.mark.parametrize(
    ("place", "step"),
    [
        *((build, step) for step in ("new_pipeline", "refuse_overwriting", "Session")),
        *((outputs, step) for step in ("Log", "Summary")),
    ],
)
def test_what_was_opened_is_closed_where_a_later_step_fails(clip, closed, monkeypatch, place, step):
    def fail(*given: object, **named: object) -> None:
        raise UserError(f"{step} failed")

    monkeypatch.setattr(place, step, fail)
    given = Options(sources=(str(clip), str(clip)), log=Path("a.jsonl"))
    with pytest.raises(UserError, match=f"{step} failed"), build_run(given):
        pass
    assert sorted(closed) == ["Estimator", "VideoSource", "VideoSource"]


def test_a_second_source_that_cannot_be_opened_closes_the_first(clip, closed):
    with (
        pytest.raises(UserError, match="no such file"),
        build_run(Options((str(clip), "none.mp4"))),
    ):
        pass
    assert closed == ["VideoSource"]


def test_networks_that_were_given_stay_open(clip, closed):
    networks = load_networks(Options(), photos=False)
    for _ in range(2):
        with build_run(
            Options((str(clip),), max_frames=3), networks=lambda photos: networks
        ) as run:
            assert run.session.run().frames == 3
    assert "Estimator" not in closed
    networks.estimator.close()


@pytest.mark.parametrize("given", [{"detect_every": 4}, {"budget_ms": 5.0}])
def test_options_that_would_show_faces_before_they_are_covered_are_refused(clip, given):
    options = Options((str(clip),), anonymize="blur", **given)
    complaint = "--detect-every and --budget-ms would show"
    with pytest.raises(AgeStreamError, match=complaint), build_run(options):
        pass


def test_the_people_of_a_still_gif_have_labels(tmp_path, two_people):
    path = tmp_path / "still.gif"
    Image.fromarray(two_people(0)[..., ::-1]).save(path)
    with build_run(Options((str(path),), display=False)) as run:
        run.session.run()
    people = run.outputs.summary.record()["people"]
    assert len(people) == 2
    assert all(person["age"] for person in people)
    assert all(person["gender"] != "unknown" for person in people)


def test_a_covered_video_without_a_face_is_named(tmp_path):
    path, said = tmp_path / "empty.mkv", []
    write_clip(path, [np.full((96, 128, 3), 90, np.uint8)] * 3)
    with build_run(Options((str(path),), display=False, anonymize="mask"), said.append) as run:
        run.session.run()
    assert [event.text for event in said if event.kind == "warning"] == [
        f"--anonymize: no face was found in {path}: nothing is covered there, look at it"
    ]


def test_an_empty_name_of_an_output_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        chosen("-s", "a.mp4", "-o", "")
    assert "it is empty" in capsys.readouterr().err
