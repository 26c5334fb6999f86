"""Networks, their weights and manifests, and the commands that train, evaluate and export them.

    crops        spec, align, context             manifests, and what networks see of a face
    detector     mtcnn, pyramid, mtcnn_graph
    networks     zoo, one file each; heads, layers
    others'      convert, keras2, *_files         weights of other projects
    data sets    prepare: source, originals, surroundings, parts, splits; dataset reads them
    training     train, crossval: recipes, fit, batches, augment, losses, checkpoint, curves,
                 protocols
    use          runtime, engines; export: graphs, quantize, proof; bench
    evaluation   evaluate, calibrate, card: metrics, brackets, calibration, report, plots, ledger

`arguments` and `writing` serve all commands.
"""

import os
import sys
from typing import Any

# The engines would tell their makers over the network that they were started, and keep files for
# that in the user's home. Here, because it counts only before the first import of either.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)  # OpenVINO does without what cannot be imported
