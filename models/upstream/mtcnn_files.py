"""MTCNN's networks (Zhang et al. 2016) as ONNX graphs, from the weights of the `mtcnn` package."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from models.crops.spec import InputSpec
from models.errors import ModelError
from models.files import make_folder
from models.manifest import Manifest, file_entry, sha256

# joblib files can contain code: only these files, of mtcnn 1.0.0, are read
MTCNN_SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
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


def convert_mtcnn(source: Path, folder: Path) -> Manifest:
    """Write the three networks of the `mtcnn` package (`source`: its folder assets/weights) as ONNX
    files with a manifest. Raises ModelError if a file is missing or is another one."""
    make_folder(folder)
    files = {}
    for net, digest in MTCNN_SHA256.items():
        path = source / f"{net}.lz4"
        if not path.is_file():
            raise ModelError(f"{path} is missing: give the folder mtcnn/assets/weights")
        if sha256(path) != digest:
            raise ModelError(f"{path} is not the file of mtcnn 1.0.0: refused, it may hold code")
        model = mtcnn_graph(net, [np.asarray(a, np.float32) for a in joblib.load(path)])
        target = folder / f"mtcnn-{net}.onnx"
        onnx.save(model, target)
        files[net] = file_entry(target)
    manifest = Manifest(
        name="mtcnn",
        architecture="mtcnn",
        config={},
        input=InputSpec(size=48, margin=0.0, scale=1 / 128, offset=-127.5 / 128),
        files=files,
        outputs={
            "offsets": "of the box's corners, in its sides",
            "scores": "probability of a face, 0 to 1",
            "points": "in the box's sides: x of all five, then y",
        },
        licence="MIT",
        origin="weights of the mtcnn 1.0.0 package (Iván de Paz Centeno), after Zhang et al. 2016",
        folder=folder,
    )
    manifest.save()
    return manifest


def mtcnn_graph(net: str, weights: list[np.ndarray]) -> ModelProto:
    """One network, "pnet", "rnet" or "onet", as an ONNX model. Input: uint8 BGR (N, H, W, 3).
    Outputs: offsets (N, 4[, h, w]), scores of a face (N[, h, w]) and, from O-Net, points (N, 10).

    `weights`: the package's float32 arrays, in the order of the layers.
    """
    graph = _Graph(weights)
    x = graph.node("Cast", "image", to=TensorProto.FLOAT)
    x = graph.node("Transpose", x, perm=[0, 3, 1, 2])
    for index, step in enumerate(TRUNKS[net]):
        if step == "conv":
            x = graph.prelu(graph.conv(x, first=index == 0), (-1, 1, 1))
        elif step == "dense":  # the package flattens in the order width, height, channels
            x = graph.node("Flatten", graph.node("Transpose", x, perm=[0, 3, 2, 1]))
            x = graph.prelu(graph.dense(x), (-1,))
        else:
            x = graph.node("MaxPool", x, **step)
    for name in HEADS[net]:
        graph.head(graph.conv(x) if net == "pnet" else graph.dense(x), name)
    return graph.model(net)


class _Graph:
    """An ONNX graph that is built node by node; layers take their arrays from `weights`."""

    def __init__(self, weights: list[np.ndarray]) -> None:
        self._weights = iter(weights)
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._outputs: list[Any] = []

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        output = output or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, array: np.ndarray) -> str:
        """Add a constant; returns its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def conv(self, x: str, first: bool = False) -> str:
        """A convolution. The `first` one takes BGR pixels 0 to 255: its weights absorb the
        package's channel order RGB and its scaling (pixel - 127.5) / 128."""
        kernel, bias = next(self._weights), next(self._weights)
        if first:
            bias = bias - kernel.sum((0, 1, 2)) * 127.5 / 128
            kernel = kernel[:, :, ::-1] / 128
        kernel = kernel.transpose(3, 2, 0, 1).astype(np.float32)
        return self.node("Conv", x, self.constant(kernel), self.constant(bias.astype(np.float32)))

    def dense(self, x: str) -> str:
        """A fully connected layer."""
        kernel, bias = next(self._weights), next(self._weights)
        return self.node("Gemm", x, self.constant(kernel), self.constant(bias))

    def prelu(self, x: str, shape: tuple[int, ...]) -> str:
        """A PReLU with its slopes in this shape."""
        return self.node("PRelu", x, self.constant(next(self._weights).reshape(shape)))

    def head(self, x: str, name: str) -> None:
        """An output; of the scores only the probability of a face."""
        if name == "scores":
            index = self.constant(np.array(1, np.int64))
            self.node("Gather", self.node("Softmax", x, axis=1), index, axis=1, output=name)
        else:
            self.node("Identity", x, output=name)
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def model(self, name: str) -> ModelProto:
        """The finished model with the input "image"."""
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
        graph = helper.make_graph(self._nodes, name, [image], self._outputs, self._constants)
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(
            graph, opset_imports=opset, ir_version=8, producer_name="agestream"
        )
