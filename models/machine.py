"""The computer that a measurement was made on."""

import os
import platform
import re
from pathlib import Path


def machine() -> str:
    """Operating system, processor and cores, as "Linux, Intel(R) Xeon(R) Processor, 2 cores"."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.exists() else []
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{platform.system()}, {processor}, {os.cpu_count()} cores"
