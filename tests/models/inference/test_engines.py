"""The engines' telemetry is off, and importing our packages changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def output(code: str, **environment: str) -> str:
    """What a Python process in the project's folder prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout.strip()


def test_importing_models_changes_nothing_in_the_process() -> None:
    code = (
        "import os, sys\n"
        "variables, modules = dict(os.environ), set(sys.modules)\n"
        "import models\n"
        "print(dict(os.environ) == variables, set(sys.modules) - modules)"
    )
    assert output(code) == "True {'models'}"


@pytest.mark.parametrize(
    "code",
    [
        "from models.inference.devices import choose_device; choose_device('auto')",
        "from models.detection.mtcnn import Mtcnn; Mtcnn(video=True)",
        "from demo.doctor import checks; list(checks.software())",
    ],
    ids=["ONNX Runtime", "OpenVINO", "doctor"],
)
def test_the_engines_start_without_telemetry(code: str, tmp_path: Path) -> None:
    code += (
        "\nimport os, sys"
        "\nassert 'onnxruntime' in sys.modules or 'openvino' in sys.modules"
        "\nprint(os.environ['ORT_DISABLE_TELEMETRY'], sys.modules['openvino_telemetry'])"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert output(code, **home) == "1 None"
    assert not list(tmp_path.iterdir())
