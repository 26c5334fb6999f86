"""SSR-Net: A Compact Soft Stagewise Regression Network (Yang et al., IJCAI 2018).

Three stages refine an age from coarse to fine. Stage k divides every bin of the previous stage into
s_k parts. It predicts a probability-like weight p per bin, a shift η of each bin's index and a
scale Δ of the bin width:

    y = V · Σ_k  Σ_i p_ki · (i + λ·η_ki)  /  Π_{j≤k} s_j · (1 + λ·Δ_j)

The joint network of Age-Gender-Predictor has two such heads on one trunk: age (V = 101) and the
probability of male (V = 1).
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from models.networks.layers import EXACT, BatchNormalization

AGE_SPAN = 101.0
MALE_SPAN = 1.0
MIN_WIDTH = 1e-3  # lower limit of 1 + λ·Δ: with Δ → -1 the bin width would become zero


@keras.saving.register_keras_serializable("agestream")
class SoftStagewiseMerge(layers.Layer):
    """Merge [p_1, η_1, Δ_1, p_2, …] into y (N,), by the formula above. Outside training, y is
    clipped to 0 to 100 years or 0 to 1."""

    def __init__(self, span: float, lambda_local: float, lambda_d: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.span, self.lambda_local, self.lambda_d = span, lambda_local, lambda_d

    def call(self, stages: Sequence[KerasTensor], training: bool = False) -> KerasTensor:
        total, width = 0.0, 1.0
        for p, eta, delta in zip(stages[0::3], stages[1::3], stages[2::3], strict=True):
            bins = p.shape[-1]
            index = ops.arange(bins, dtype=p.dtype) + self.lambda_local * eta
            width = width * bins * ops.maximum(1.0 + self.lambda_d * delta[:, 0], MIN_WIDTH)
            total = total + ops.sum(p * index, axis=-1) / width
        y = self.span * total
        return y if training else ops.clip(y, 0.0, 100.0 if self.span > 1.0 else 1.0)

    def compute_output_shape(
        self, input_shapes: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        return (input_shapes[0][0],)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "span": self.span,
            "lambda_local": self.lambda_local,
            "lambda_d": self.lambda_d,
        }


def _stream(
    x: KerasTensor, name: str, filters: int, activation: str, pool: type[layers.Layer]
) -> list[KerasTensor]:
    """Four convolution blocks; returns the feature maps after pool 1, pool 2 and block 4."""
    taps = []
    for block in (1, 2, 3, 4):
        x = layers.Conv2D(filters, 3, name=f"{name}_conv{block}")(x)  # valid: 62, 29, 12, 4
        x = BatchNormalization(name=f"{name}_bn{block}")(x)
        x = layers.Activation(activation, name=f"{name}_{activation}{block}")(x)
        if block < 4:
            x = pool(2, 2, name=f"{name}_pool{block}")(x)  # 31, 14, 6
        taps.append(x)
    return [taps[0], taps[1], taps[3]]


def _trunk(image: KerasTensor, prefix: str) -> list[tuple[KerasTensor, KerasTensor]]:
    """Feature maps of both streams, fine to coarse: 31, 14 and 4 pixels a side."""
    x = _stream(image, f"{prefix}x", 32, "relu", layers.AveragePooling2D)
    s = _stream(image, f"{prefix}s", 16, "tanh", layers.MaxPooling2D)
    return list(zip(x, s, strict=True))


def _stage(
    x: KerasTensor, s: KerasTensor, stage: int, bins: int, dropout: float, prefix: str
) -> list[KerasTensor]:
    """One stage's p (N, bins), η (N, bins) and Δ (N, 1) from feature maps of both streams."""
    window = {1: 1, 2: 4, 3: 8}[stage]
    s = layers.Conv2D(10, 1, activation="relu", name=f"{prefix}s_tap{stage}")(s)
    x = layers.Conv2D(10, 1, activation="relu", name=f"{prefix}x_tap{stage}")(x)
    if window > 1:
        s = layers.MaxPooling2D(window, window, name=f"{prefix}s_tap_pool{stage}")(s)  # (3, 3, 10)
        x = layers.AveragePooling2D(window, window, name=f"{prefix}x_tap_pool{stage}")(x)
    s = layers.Flatten(name=f"{prefix}s_flat{stage}", **EXACT)(s)  # 160, 90, 90
    x = layers.Flatten(name=f"{prefix}x_flat{stage}", **EXACT)(x)

    delta = layers.Multiply(name=f"{prefix}scale{stage}", **EXACT)([s, x])
    delta = layers.Dense(1, activation="tanh", name=f"{prefix}delta_s{stage}", **EXACT)(delta)

    s = layers.Dropout(dropout, name=f"{prefix}s_drop{stage}", **EXACT)(s)
    x = layers.Dropout(dropout, name=f"{prefix}x_drop{stage}", **EXACT)(x)
    s = layers.Dense(bins, activation="relu", name=f"{prefix}s_mix{stage}", **EXACT)(s)
    x = layers.Dense(bins, activation="relu", name=f"{prefix}x_mix{stage}", **EXACT)(x)
    mixed = layers.Multiply(name=f"{prefix}mix{stage}", **EXACT)([s, x])
    feature = layers.Dense(2 * bins, activation="relu", name=f"{prefix}feature{stage}", **EXACT)
    mixed = feature(mixed)
    p = layers.Dense(bins, activation="relu", name=f"{prefix}p{stage}", **EXACT)(mixed)
    eta = layers.Dense(bins, activation="tanh", name=f"{prefix}eta{stage}", **EXACT)(mixed)
    return [p, eta, delta]


def _head(  # noqa: PLR0913 - the hyperparameters of the paper
    taps: list[tuple[KerasTensor, KerasTensor]],
    output: str,
    stage_num: Sequence[int],
    lambda_local: float,
    lambda_d: float,
    male_is: int,
    dropout: float,
    prefix: str,
) -> KerasTensor:
    """The classifier block: three stages, coarse (last feature maps) to fine, then the merge."""
    span = AGE_SPAN if output == "age" else MALE_SPAN
    stages: list[KerasTensor] = []
    for stage, (bins, (x, s)) in enumerate(zip(stage_num, reversed(taps), strict=True), start=1):
        stages += _stage(x, s, stage, bins, dropout, prefix)
    if output == "male" and male_is == 0:
        female = SoftStagewiseMerge(span, lambda_local, lambda_d, name="female", **EXACT)(stages)
        return layers.Rescaling(-1.0, 1.0, name=output, **EXACT)(female)
    return SoftStagewiseMerge(span, lambda_local, lambda_d, name=output, **EXACT)(stages)


def build(  # noqa: PLR0913 - the hyperparameters of the paper
    outputs: Sequence[str] = ("age", "male"),
    joint: bool = True,
    stage_num: Sequence[int] = (3, 3, 3),
    lambda_local: float = 1.0,
    lambda_d: float = 1.0,
    male_is: int = 1,
    dropout: float = 0.2,
) -> keras.Model:
    """SSR-Net on crops (N, 64, 64, 3), BGR 0..255.

    With one output, "age" or "male", it is the paper's network (40,915 parameters). Two outputs
    share one trunk (`joint`, 45,014 parameters) or are two networks side by side. `male_is` 0 is
    for weights that were trained on 0 = male, 1 = female (the authors' MORPH2 gender files).
    Returns a dict of (N,) arrays: "age" in years, 0 to 100; "male", a probability.
    """
    image = keras.Input((64, 64, 3), name="image")
    trunk = _trunk(image, "") if joint else None
    heads = {}
    for output in outputs:
        prefix = f"{output}_" if len(outputs) > 1 else ""
        taps = trunk if trunk is not None else _trunk(image, prefix)
        heads[output] = _head(
            taps, output, stage_num, lambda_local, lambda_d, male_is, dropout, prefix
        )
    return keras.Model(image, heads, name="ssrnet")
