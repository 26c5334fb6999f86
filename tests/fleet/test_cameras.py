from collections.abc import Callable
from pathlib import Path

import pytest

from demo.errors import UserError
from demo.fleet.__main__ import main
from demo.fleet.cameras import FleetError, read_cameras
from demo.options import Options

WHOLE = "expected a whole number of at least 1, not"


def mistakes(path: Path) -> list[str]:
    with pytest.raises(FleetError) as caught:
        read_cameras(path)
    return [line.removeprefix(f"{path}: ") for line in caught.value.lines]


def test_each_table_is_a_camera_with_the_defaults(write_cameras: Callable) -> None:
    path = write_cameras(
        defaults="detect-every = 4\nrecord = true",
        door='source = "rtsp://u:p@cam/1"\nname = "Front door"\nserve = 8101\nbudget-ms = 40',
        hall="source = 0\nrecord = false\nstore = true\nkeep-days = 30\ndetect-every = 2",
    )
    door, hall = read_cameras(path)
    assert (door.name, door.record, door.store) == ("Front door", True, False)
    assert door.options == Options(
        sources=("rtsp://u:p@cam/1",), display=False, detect_every=4, serve="8101", budget_ms=40.0
    )
    assert (hall.name, hall.source, hall.record, hall.store) == ("hall", "0", False, True)
    assert (hall.options.keep_days, hall.options.detect_every) == (30, 2)


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("min-face = 0", f"min-face: {WHOLE} 0"),
        ("min-face = true", f"min-face: {WHOLE} True"),
        ('detect-every = "8"', f"detect-every: {WHOLE} '8'"),
        ("budget-ms = nan", "budget-ms: expected a number of at least 0.1, not nan"),
        ('anonymize = "hide"', "anonymize: expected one of blur, pixelate, mask, not 'hide'"),
        ('record = "yes"', "record: expected true or false, not 'yes'"),
        ("minface = 3", "minface: unknown key: did you mean min-face?"),
        ('serve = "door"', "serve: door: give a port or HOST:PORT, as 8000 or 0.0.0.0:8000"),
        (
            'serve = "0.0.0.0:8000"',
            "serve: other machines need a token: set AGESTREAM_TOKEN in the environment",
        ),
        ("keep-days = 3", "keep-days: it deletes from the database: add store = true"),
        ('name = "a/b"', "name: 'a/b' names a folder: use letters, digits, - and _"),
        ('name = "con"', "name: 'con' names a folder: use letters, digits, - and _"),
        (
            'anonymize = "mask"\nbudget-ms = 9',
            "budget-ms: it would show new faces before they are covered: remove it, or anonymize",
        ),
    ],
)
def test_a_mistake_is_one_line_with_table_and_key(
    write_cameras: Callable, lines: str, line: str
) -> None:
    assert mistakes(write_cameras(a=f"source = 1\n{lines}")) == [f"[a] {line}"]


def test_a_source_is_a_camera_or_an_address(write_cameras: Callable) -> None:
    path = write_cameras(a='source = "clip.mp4"', b='source = "file:///clip.mp4"', c="source = 1.5")
    assert [line.partition(": ")[2] for line in mistakes(path)] == [
        "'clip.mp4' is no camera number or address: for files use python -m demo.archive",
        "'file:///clip.mp4' is no camera number or address: for files use python -m demo.archive",
        "expected a text in quotation marks, not 1.5",
    ]


def test_all_mistakes_are_listed_and_no_password_is(write_cameras: Callable) -> None:
    path = write_cameras(
        defaults="serve = 8000", a='model = "none-such"', b="source = []", c='source = "u:p@cam"'
    )
    lines = mistakes(path)
    assert [line.split(":")[0] for line in lines] == [
        *("[defaults] serve", "[a] model", "[b] source", "[c] source")
    ]
    assert "p@" not in str(lines)


def test_two_cameras_share_no_name_no_port_and_no_device(write_cameras: Callable) -> None:
    path = write_cameras(
        a='source = 0\nserve = 8000\nname = "Door"',
        b='source = "/dev/video0"\nserve = "127.0.0.1:8000"\nname = "door"',
    )
    ending = "[a] has it already: give another one"
    assert mistakes(path) == [f"[b] {key}: {ending}" for key in ("name", "source", "serve")]


def test_a_camera_needs_a_source_and_a_fleet_a_camera(write_cameras: Callable) -> None:
    assert mistakes(write_cameras(a="min-face = 30")) == [
        '[a] source: it is missing: add source = "rtsp://…"'
    ]
    assert mistakes(write_cameras(defaults="min-face = 30")) == [
        'no camera: add a table, as [door], with source = "rtsp://…"'
    ]


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    with pytest.raises(UserError, match="No such file"):
        read_cameras(path)
    path.write_text("[a\n")
    with pytest.raises(UserError, match="line 1"):
        read_cameras(path)
    path.write_text("source = 0")
    assert mistakes(path) == ["source: expected a table a camera, as [source]"]


def test_the_command_prints_a_line_for_each_mistake(
    write_cameras: Callable, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_cameras(a="min-face = 0\nsource = 0", b="record = 1")
    assert main([str(path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"demo.fleet: {path}: [a] min-face: {WHOLE} 0",
        f"demo.fleet: {path}: [b] record: expected true or false, not 1",
    ]
    assert not (tmp_path / "out").exists()
