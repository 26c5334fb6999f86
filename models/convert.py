"""`python -m models.convert`: bring weights of other projects in as graphs with a manifest."""

from pathlib import Path
from typing import Any

import numpy as np

from models.spec import InputSpec, Manifest, WEIGHTS, sha256

# (kind, weight arrays, kernel/pool/stride) of the three nets as the `mtcnn` package stores them
POOL_2 = {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
POOL_3 = {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
POOL_3_VALID = {"kernel_shape": [3, 3], "strides": [2, 2]}
MTCNN_TRUNKS: dict[str, list[Any]] = {
    "pnet": ["conv", POOL_2, "conv", "conv"],
    "rnet": ["conv", POOL_3, "conv", POOL_3_VALID, "conv", "dense"],
    "onet": ["conv", POOL_3, "conv", POOL_3_VALID, "conv", POOL_2, "conv", "dense"],
}
MTCNN_HEADS = {
    "pnet": ["offsets", "scores"],
    "rnet": ["offsets", "scores"],
    "onet": ["offsets", "points", "scores"],
}
# pickle files are only read when they are these very files of mtcnn 1.0.0
MTCNN_SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}


def convert_mtcnn(source: Path, folder: Path = WEIGHTS) -> Manifest:
    """The three nets of the `mtcnn` package (its folder assets/weights) as ONNX graphs."""
    import joblib
    import onnx

    files = {}
    for net in MTCNN_TRUNKS:
        path = source / f"{net}.lz4"
        if sha256(path) != MTCNN_SHA256[net]:
            raise SystemExit(f"{path} is not the file of mtcnn 1.0.0: refused, it may hold code")
        model = mtcnn_graph(net, [np.asarray(a, np.float32) for a in joblib.load(path)])
        target = folder / f"mtcnn-{net}.onnx"
        onnx.save(model, target)
        files[net] = {"name": target.name, "sha256": sha256(target)}
    manifest = Manifest(
        name="mtcnn",
        architecture="mtcnn",
        config={},
        input=InputSpec(size=48, margin=0.0, scale=1 / 128, offset=-127.5 / 128),
        files=files,
        outputs=("boxes", "scores", "points"),
        licence="MIT",
        origin="weights of the mtcnn 1.0.0 package (Iván de Paz Centeno), after Zhang et al. 2016",
        folder=folder,
    )
    manifest.save()
    return manifest


def mtcnn_graph(net: str, weights: list[np.ndarray]) -> Any:
    """One net as an ONNX model: uint8 BGR (N, H, W, 3) in, offsets (N, 4[, h, w]), score of a face
    (N[, h, w]) and, from O-Net, points (N, 10) out."""
    from onnx import TensorProto, helper, numpy_helper

    weights = list(weights)
    nodes, constants = [], []

    def constant(array: np.ndarray) -> str:
        name = f"c{len(constants)}"
        constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"n{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def dense(x: str) -> str:
        kernel, bias = weights.pop(0), weights.pop(0)
        return node("Gemm", x, constant(kernel), constant(bias))

    def conv(x: str, first: bool = False) -> str:
        kernel, bias = weights.pop(0), weights.pop(0)
        if first:  # (pixel - 127.5) / 128 on RGB becomes arithmetic on BGR pixels
            bias = bias - kernel.sum((0, 1, 2)) * 127.5 / 128
            kernel = kernel[:, :, ::-1] / 128
        kernel = kernel.transpose(3, 2, 0, 1).astype(np.float32)
        return node("Conv", x, constant(kernel), constant(bias.astype(np.float32)))

    x = node("Transpose", node("Cast", "image", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    for index, step in enumerate(MTCNN_TRUNKS[net]):
        if step == "conv":
            x = conv(x, first=index == 0)
            x = node("PRelu", x, constant(weights.pop(0).reshape(-1, 1, 1)))
        elif step == "dense":  # flattened by the package in the order width, height, channels
            x = node("Flatten", node("Transpose", x, perm=[0, 3, 2, 1]))
            x = node("PRelu", dense(x), constant(weights.pop(0)))
        else:
            x = node("MaxPool", x, **step)
    head = conv if net == "pnet" else dense
    outputs = []
    for name in MTCNN_HEADS[net]:
        y = head(x)
        if name == "scores":
            y = node("Softmax", y, axis=1)
            node("Gather", y, constant(np.array(1, np.int64)), axis=1, output=name)
        else:
            node("Identity", y, output=name)
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
    graph = helper.make_graph(nodes, net, [image], outputs, constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="agestream")
