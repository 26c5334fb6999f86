"""Heads that several networks share: classes and their mean, or a small regression."""

from collections.abc import Sequence

from keras import KerasTensor, initializers, layers

from models.networks.layers import EXACT, Expectation

USUAL = {"age": 30.0, "male": 0.5}  # answers before training: the way from 0 takes epochs


def class_heads(
    x: KerasTensor, outputs: Sequence[str], years: Sequence[float], males: Sequence[float]
) -> dict[str, KerasTensor]:
    """From features (N, F): "nodes" (N, C), a softmax over classes of age, "age" (N,), the mean of
    their `years`, and "male" (N,) of a softmax over two classes, of which `males` says which."""
    heads: dict[str, KerasTensor] = {}
    if "age" in outputs:
        nodes = layers.Dense(len(years), activation="softmax", name="nodes", **EXACT)(x)
        heads |= {"nodes": nodes, "age": Expectation(years, name="age", **EXACT)(nodes)}
    if "male" in outputs:
        genders = layers.Dense(2, activation="softmax", name="genders", **EXACT)(x)
        heads["male"] = Expectation(males, name="male", **EXACT)(genders)
    return heads


def regression(x: KerasTensor, output: str, dropout: float) -> KerasTensor:
    """The SSR-Net authors' end of their MobileNet and DenseNet: (N, F) → 32 → (N,), unbounded."""
    x = layers.Dropout(dropout, name=f"{output}_drop", **EXACT)(x)
    x = layers.Dense(32, activation="relu", name=f"{output}_feat", **EXACT)(x)
    usual = initializers.Constant(USUAL[output])
    x = layers.Dense(1, bias_initializer=usual, name=f"{output}_pred", **EXACT)(x)
    return layers.Reshape((), name=output, **EXACT)(x)
