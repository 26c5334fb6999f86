"""The eight age brackets of Adience, and how a label of its lists becomes one of them."""

import re

# First and last year of each bracket (Eidinger, Enbar and Hassner 2014)
BRACKETS = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))


def adience_bracket(label: str) -> str:
    """The bracket of a label as "FIRST-LAST", or "" if there is none: "(25, 32)" -> "25-32".

    A range that is not a bracket becomes the bracket that holds more than half of its years, a
    single age the nearest bracket, the younger of two that are equally near: "(38, 42)" and "36"
    -> "38-43", "13" -> "8-12", "35" -> "25-32", "(8, 23)" -> "".
    """
    ends = [int(end) for end in re.findall(r"\d+", label)]
    if len(ends) == 2:
        low, high = ends
        shared = [min(high, b) - max(low, a) + 1 for a, b in BRACKETS]
        half = (high - low + 1) / 2
        found = [pair for pair, years in zip(BRACKETS, shared, strict=True) if years > half]
    else:
        found = [min(BRACKETS, key=lambda pair: max(pair[0] - age, age - pair[1])) for age in ends]
    return "{}-{}".format(*found[0]) if found else ""
