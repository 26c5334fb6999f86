"""Networks, their weights and manifests, and the commands that train, evaluate and export them."""

import os
import sys
from typing import Any

# The engines would tell their makers over the network that they were started, and keep files for
# that in the user's home. Here, because it counts only before the first import of either.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)  # OpenVINO does without what cannot be imported
