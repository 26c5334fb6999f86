"""The requirement files: what `stream.py` needs, what training adds, and what is locked."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT, external, internal, modules, reachable

DISTRIBUTIONS = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "dlib": "dlib-bin",
    "prometheus_client": "prometheus-client",
    "skimage": "scikit-image",
}
OPTIONAL = {"ai_edge_litert", "pandas", "supervision"}  # used where the user has them
# Imported only with weights other than ONNX: packages, and the module that builds Keras networks.
WEB = "demo.web"  # imported only for --serve
CLUSTER = ("demo.archive", "demo.fleet")  # commands of their own
TENSORFLOW, KERAS_NETWORKS = {"tensorflow", "keras"}, {"models.zoo"}
TRAINING_PACKAGES = (
    "tensorflow keras mtcnn joblib lz4 skimage matplotlib h5py onnx tf2onnx trackeval".split()
)
PIN = re.compile(r"([\w.-]+)==(\d+\.\d+)\.\*")
LOCKED = re.compile(
    r"^([\w.-]+)==(\S+)( ; .*)? \\$((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)", re.M
)


def lines(name: str) -> set[str]:
    """The requirements of a file, without comments and without those it includes."""
    text = (ROOT / name).read_text("utf-8")
    return {line for line in text.splitlines() if line and not line.startswith(("#", "-r"))}


def names(file: str) -> set[str]:
    """The packages of a requirement file."""
    return {line.partition("==")[0] for line in lines(file)}


def locked(name: str) -> set[tuple[str, str]]:
    """Packages and versions of a lock file."""
    return {(match[1], match[2]) for match in LOCKED.finditer((ROOT / name).read_text("utf-8"))}


def distributions(imported: set[str]) -> set[str]:
    """The packages that bring these top names; those of the standard library bring none."""
    return {DISTRIBUTIONS.get(n, n) for n in imported - OPTIONAL - sys.stdlib_module_names}


@pytest.fixture(scope="module")
def known() -> dict[str, Path]:
    return modules()


def test_the_live_requirements_are_the_imports_of_the_live_path(known: dict[str, Path]) -> None:
    web = {name for name in known if name.startswith(WEB)}
    path = reachable("stream", internal(known, typed=False), without=KERAS_NETWORKS | web)
    assert {"demo.sinks.video", "models.inference.engines", "trackers.kalman"} <= path
    imported = set.union(*(external(known[module], known) for module in path))
    assert distributions(imported - TENSORFLOW) == names("requirements-live.txt")


def test_every_import_is_a_requirement(known: dict[str, Path]) -> None:
    imported = set.union(*(external(path, known) for path in known.values()))
    files = [path.name for path in ROOT.glob("requirements*.txt")]
    assert not distributions(imported) - {name for file in files for name in names(file)}


def test_the_web_requirements_are_the_further_imports_of_the_server(known: dict[str, Path]) -> None:
    parts = [path for name, path in known.items() if name.startswith(WEB)]
    imported = set.union(*(external(path, known) for path in parts))
    assert distributions(imported) - names("requirements-live.txt") == names("requirements-web.txt")


def test_the_cluster_requirements_are_the_further_imports_of_archives(
    known: dict[str, Path],
) -> None:
    parts = [path for name, path in known.items() if name.startswith(CLUSTER)]
    imported = distributions(set.union(*(external(path, known) for path in parts)))
    assert imported - names("requirements-live.txt") | {"ray"} == names("requirements-cluster.txt")
    path = reachable("stream", internal(known, typed=False), without=KERAS_NETWORKS)
    assert not {module for module in path if module.startswith(CLUSTER)}


def test_every_requirement_is_pinned_to_a_minor_version() -> None:
    for file in ROOT.glob("requirements*.txt"):
        assert [line for line in lines(file.name) if not PIN.fullmatch(line)] == []


def test_the_user_s_requirements_contain_the_live_ones() -> None:
    assert lines("requirements-live.txt") < lines("requirements.txt")


@pytest.mark.parametrize("kind", ["", "-dev"])
def test_the_lock_fits_the_requirements(kind: str) -> None:
    versions = locked(f"requirements{kind}.lock")
    for line in lines("requirements.txt") | lines(f"requirements{kind}.txt"):
        name, _, version = line.partition("==")
        fitting = [v for n, v in versions if n == name and v.startswith(version.removesuffix("*"))]
        assert len(fitting) == 1, line
    text = (ROOT / f"requirements{kind}.lock").read_text("utf-8")
    assert len(re.findall(r"^[\w.-]+==", text, re.M)) == len(LOCKED.findall(text))  # all hashed
    assert not re.search(r"://|^--", text, re.M)  # no address of the machine that wrote it
    assert versions >= locked("requirements.lock")


def test_the_demo_runs_without_the_training_packages(tmp_path: Path) -> None:
    log, video = tmp_path / "faces.jsonl", tmp_path / "annotated.mp4"
    arguments = ["-s", str(ROOT / "assets" / "demo.mp4"), "--max-frames", "30", "--no-display"]
    arguments += ["--log", str(log), "-o", str(video), "--summary", str(tmp_path / "summary.html")]
    code = f"""if True:
        import sys
        sys.modules.update(dict.fromkeys({TRAINING_PACKAGES!r}))  # their import raises ImportError
        import stream
        sys.exit(stream.main({arguments!r}))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert len(records) == 30
    assert records[-1]["faces"][0]["age"] is not None
    assert video.stat().st_size > 10_000
