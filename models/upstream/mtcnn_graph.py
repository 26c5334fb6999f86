"""The three nets of MTCNN (Zhang et al. 2016) as ONNX graphs, from the `mtcnn` package's arrays."""

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

POOL_2 = {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
POOL_3 = {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
POOL_3_VALID = {"kernel_shape": [3, 3], "strides": [2, 2]}
TRUNKS: dict[str, list[Any]] = {
    "pnet": ["conv", POOL_2, "conv", "conv"],
    "rnet": ["conv", POOL_3, "conv", POOL_3_VALID, "conv", "dense"],
    "onet": ["conv", POOL_3, "conv", POOL_3_VALID, "conv", POOL_2, "conv", "dense"],
}
HEADS = {
    "pnet": ["offsets", "scores"],
    "rnet": ["offsets", "scores"],
    "onet": ["offsets", "points", "scores"],
}


def mtcnn_graph(net: str, weights: list[np.ndarray]) -> ModelProto:
    """One net as an ONNX model: uint8 BGR (N, H, W, 3) in, offsets (N, 4[, h, w]), score of a face
    (N[, h, w]) and, from O-Net, points (N, 10) out."""
    weights = list(weights)
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []

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
    for index, step in enumerate(TRUNKS[net]):
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
    for name in HEADS[net]:
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
