"""From crops to the array that a network takes."""

import numpy as np

from models.crops.spec import InputSpec


def network_input(crops: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Crops (N, size, size, depth) uint8 BGR to the float32 array that networks of these crops are
    trained on and run on."""
    if spec.channels == "rgb":
        crops = crops.reshape(*crops.shape[:-1], -1, 3)[..., ::-1].reshape(crops.shape)
    pixels = crops.astype(np.float32)
    if spec.scale != 1.0 or spec.offset != 0.0:
        pixels = pixels * np.float32(spec.scale) + np.float32(spec.offset)
    return pixels
