"""Networks, their weights and manifests, and the commands that train, evaluate and export them.

    commands     prepare, train, crossval, convert, calibrate, evaluate, card, overview, export,
                 bench
    live         spec, align, context: manifests, and what networks see of a face; mtcnn, pyramid:
                 the detector; runtime, engines, calibration: what answers
    networks/    one architecture a file; zoo lists all that can be trained
    upstream/    weights files of other projects
    datasets/    labels.csv, how it is read, and how it is made of what authors distribute; the
                 cache of aligned chips
    training/    recipes, batches, losses, what is kept after every epoch
    evaluation/  figures, their tables, plots, and the ledger of results/
    exporting/   graphs, their numbers of bits, and the proof that they answer as Keras does

`arguments`, `figures`, `timing` and `writing` serve all commands.
"""

import os
import sys
from typing import Any

# The engines would tell their makers over the network that they were started, and keep files for
# that in the user's home. Here, because it counts only before the first import of either.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)  # OpenVINO does without what cannot be imported
