"""Convert crops to a network's input array."""

import numpy as np

from models.crops.spec import InputSpec


def network_input(crops: np.ndarray, spec: InputSpec) -> np.ndarray:
    """The input (N, size, size, depth) float32 of a network, in training and live, for crops of the
    same shape, uint8 BGR: channels in the spec's order, pixels · scale + offset."""
    if spec.channels == "rgb":
        crops = crops.reshape(*crops.shape[:-1], -1, 3)[..., ::-1].reshape(crops.shape)
    pixels = crops.astype(np.float32)
    if spec.scale != 1.0 or spec.offset != 0.0:
        pixels = pixels * np.float32(spec.scale) + np.float32(spec.offset)
    return pixels
