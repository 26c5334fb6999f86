"""The container's files name what exists: files, requirements, options."""

import json
import re
from fnmatch import fnmatch

import pytest

from demo.arguments import options, parser
from tests.imports import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
STEPS = re.sub(r" *\\\n *", " ", DOCKERFILE)  # one line for each
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
CONTEXT = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
REQUIREMENTS = ("requirements-live.txt", "requirements-web.txt")


def copied() -> list[str]:
    """The files and folders that the Dockerfile copies."""
    lines = re.findall(r"^COPY (.+) \S+$", STEPS, re.M)
    return [name for line in lines for name in line.split()]


def instruction(name: str) -> list[str]:
    """The words of an instruction in JSON."""
    (words,) = re.findall(rf"^(?:{name}|HEALTHCHECK .*{name}) (\[.+\])$", STEPS, re.M)
    return json.loads(words)


def test_every_copied_file_exists_and_is_sent_to_the_builder() -> None:
    assert {"stream.py", "demo", "models", "trackers", *REQUIREMENTS} <= set(copied())
    for name in copied():
        assert (ROOT / name).exists(), name
        assert f"!{name}" in CONTEXT, name


def test_nothing_is_sent_to_the_builder_that_is_not_copied() -> None:
    sent = {line[1:] for line in CONTEXT if line.startswith("!")}
    assert sent == set(copied())


def test_the_folders_left_out_are_those_that_the_live_path_does_not_need() -> None:
    left_out = [line for line in CONTEXT if line and line[0] not in "!#*"]
    assert left_out == ["demo/bench", "models/results", "models/weights/*.weights.h5"]
    for pattern in left_out:
        folder = (ROOT / pattern).parent
        assert any(fnmatch(str(path), str(ROOT / pattern)) for path in folder.iterdir())


def test_the_replaced_packages_are_in_the_requirement_files() -> None:
    lines = [line for name in REQUIREMENTS for line in (ROOT / name).read_text().splitlines()]
    replaced = re.findall(r"s/\^([\w-]+)==/([\w-]+)==/", DOCKERFILE)
    assert replaced == [
        ("opencv-python", "opencv-python-headless"),
        ("onnxruntime", "onnxruntime-gpu"),
    ]
    for package, _ in replaced:
        assert sum(line.startswith(f"{package}==") for line in lines) == 1


def test_the_stated_runtime_is_the_pinned_one() -> None:
    (version,) = re.findall(r"onnxruntime-gpu (\d+\.\d+)", DOCKERFILE.replace("\n# ", " "))
    assert f"onnxruntime=={version}.*" in (ROOT / "requirements-live.txt").read_text("utf-8")


def test_the_entry_point_serves_all_addresses_without_a_window_as_an_ordinary_user() -> None:
    python, script, *arguments = instruction("ENTRYPOINT")
    assert (python, script) == ("python", "stream.py")
    chosen = options(parser().parse_args(arguments))
    assert (chosen.serve, chosen.display, chosen.sources) == ("0.0.0.0:8000", False, ())
    user = re.findall(r"^USER (\w+)$", STEPS, re.M)
    assert user == ["agestream"]
    assert re.search(r"^EXPOSE 8000$", STEPS, re.M)


def test_the_health_check_asks_the_port_that_is_served() -> None:
    python, switch, code = instruction("CMD")
    assert (python, switch) == ("python", "-c")
    compile(code, "health check", "exec")
    assert "http://127.0.0.1:8000/healthz" in code


@pytest.mark.parametrize("words", re.findall(r"command: (\[.+\])", COMPOSE))
def test_the_examples_are_commands_of_the_program(words: str) -> None:
    chosen = options(parser().parse_args([*instruction("ENTRYPOINT")[2:], *json.loads(words)]))
    assert len(chosen.sources) == 1
    assert chosen.serve_name == ("agestream.local",)


def test_the_examples_build_from_the_base_images_of_the_dockerfile() -> None:
    (base,) = re.findall(r'BASE: "([^"]+)"', COMPOSE)
    assert f"--build-arg BASE={base} ." in DOCKERFILE
    assert re.search(r"^ARG BASE=debian:[\w-]+\nFROM \$\{BASE\}$", DOCKERFILE, re.M)
