"""Which part of the tree may import which.

Imports within functions count like those at the top of a file. Imports under TYPE_CHECKING never
run, so they cannot make a cycle; for all other rules they count. A package counts where a name is
imported from it, not where one of its modules is.
"""

import re
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.imports import Import, imports, internal, modules

KNOWN = modules()
GRAPH = internal(KNOWN, typed=True)
COMMAND = re.compile(r'^if __name__ == "__main__":', re.M)


def arrows(breaks) -> list[str]:
    """The imports for which `breaks(importer, imported)` holds."""
    pairs = ((one, other) for one, others in GRAPH.items() for other in others)
    return sorted(f"{one} imports {other}" for one, other in pairs if breaks(one, other))


def inside(module: str, *packages: str) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b", [Import("a.b", False)]),
        ("from a import b, c as d", [Import("a.b", False), Import("a.c", False)]),
        ("def f():\n    try:\n        import a\n    except E:\n        pass", [Import("a", False)]),
        (
            "if TYPE_CHECKING:\n    from a import b\nelse:\n    import c",
            [("a.b", True), ("c", False)],
        ),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, expected: list[Import]) -> None:
    assert list(imports(source)) == expected


def test_the_walk_sees_the_tree() -> None:
    assert {"stream", "demo.bench.__main__", "models.inference", "trackers.sort"} <= KNOWN.keys()
    assert "demo.build" in GRAPH["stream"]  # within a function
    assert "trackers.sort" in GRAPH["demo.faces.pipeline"]


def test_no_imports_form_a_cycle() -> None:
    try:
        TopologicalSorter(internal(KNOWN, typed=False)).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def test_only_the_benchmarks_import_the_benchmarks() -> None:
    assert not arrows(lambda one, other: inside(other, "demo.bench") > inside(one, "demo.bench"))


def test_no_command_is_imported() -> None:
    commands = {
        name
        for name, path in KNOWN.items()
        if path.name == "__main__.py" or COMMAND.search(path.read_text("utf-8"))
    }
    assert {"stream", "models.train", "demo.doctor.__main__"} <= commands
    assert not arrows(lambda _, other: other in commands)


def test_models_and_trackers_import_nothing_of_the_demo() -> None:
    libraries = ("models", "trackers")
    assert not arrows(
        lambda one, other: inside(one, *libraries) and inside(other, "demo", "stream")
    )


def test_trackers_import_nothing_of_the_networks() -> None:
    assert not arrows(lambda one, other: inside(one, "trackers") and not inside(other, "trackers"))
