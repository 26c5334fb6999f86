"""Start-up time and memory: of `stream.py` as a process of its own, and of this process."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from demo.errors import UserError
from demo.options import Options
from models.files import ROOT


def stream_command(clip: str, options: Options) -> list[str]:
    """The command that a user would type to run the clip with these options, without a window."""
    command = [sys.executable, str(ROOT / "stream.py"), "-s", clip, "--no-display"]
    command += ["--model", options.model, "--detector", options.detector]
    command += ["--device", options.device]
    if options.detect_every is not None:
        command += ["--detect-every", str(options.detect_every)]
    if options.min_face is not None:
        command += ["--min-face", str(options.min_face)]
    return command


def first_frame_seconds(command: list[str]) -> float:
    """Seconds from the start of the process to its exit after one annotated frame. Raises UserError
    if it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--max-frames", "1"], capture_output=True, text=True, check=False
    )
    _check(done.returncode, done.stderr)
    return time.perf_counter() - start


def peak_memory_mb(command: list[str]) -> float | None:
    """Peak resident memory in MB of the process; None where the system does not report it.

    Linux starts the child's peak at the parent's memory, so call this before anything large is
    loaded. Raises UserError if the process fails.
    """
    if not hasattr(os, "wait4"):
        return None
    with tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        _check(process.returncode, stderr.read())
    return float(usage.ru_maxrss) / (2**20 if sys.platform == "darwin" else 2**10)


def _check(code: int, stderr: str) -> None:
    """Raise UserError with the last line on stderr if the exit code is not 0."""
    if code:
        raise UserError((stderr.strip().splitlines() or [f"stream.py ended with {code}"])[-1])


def resident_mb() -> float:
    """Resident memory of this process in MB; nan where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def threads_and_files() -> tuple[int, int]:
    """Threads and open files (sockets included) of this process. Raises UserError where there is no
    /proc."""
    if not Path("/proc/self/fd").is_dir():
        raise UserError("this system does not count threads and open files: run it on Linux")
    status = Path("/proc/self/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    files = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1  # without the listing itself
    return int(values["Threads"]), files
