"""Output heads that several networks share: classes and their mean, or a small regression."""

from collections.abc import Sequence

from keras import KerasTensor, initializers, layers

from models.networks.layers import EXACT, Expectation

INITIAL = {"age": 30.0, "male": 0.5}  # outputs before training: starting at 0 costs epochs


def class_heads(
    x: KerasTensor, outputs: Sequence[str], age_bins: Sequence[float], male_values: Sequence[float]
) -> dict[str, KerasTensor]:
    """Outputs for features (N, F): "nodes" (N, C), a softmax over the `age_bins` (C,) in years;
    "age" (N,), their mean; "male" (N,), the mean of a softmax over two classes with the
    `male_values` 0 for female and 1 for male, in the order of the classes."""
    heads: dict[str, KerasTensor] = {}
    if "age" in outputs:
        bins = layers.Dense(len(age_bins), activation="softmax", name="nodes", **EXACT)(x)
        heads |= {"nodes": bins, "age": Expectation(age_bins, name="age", **EXACT)(bins)}
    if "male" in outputs:
        genders = layers.Dense(2, activation="softmax", name="genders", **EXACT)(x)
        heads["male"] = Expectation(male_values, name="male", **EXACT)(genders)
    return heads


def regression(x: KerasTensor, output: str, dropout: float) -> KerasTensor:
    """The head of the SSR-Net authors' MobileNet and DenseNet: (N, F) → 32 → (N,), unbounded."""
    x = layers.Dropout(dropout, name=f"{output}_drop", **EXACT)(x)
    x = layers.Dense(32, activation="relu", name=f"{output}_feat", **EXACT)(x)
    initial = initializers.Constant(INITIAL[output])
    x = layers.Dense(1, bias_initializer=initial, name=f"{output}_pred", **EXACT)(x)
    return layers.Reshape((), name=output, **EXACT)(x)
