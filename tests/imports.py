"""The imports of the tree, read from its source without running it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("demo", "models", "trackers")


class Import(NamedTuple):
    """One imported name, dotted; `typed` if only type checkers see it."""

    name: str
    typed: bool


def modules() -> dict[str, Path]:
    """Dotted names and files of stream.py and of all modules in FOLDERS; a package has the name of
    its folder."""
    paths = [ROOT / "stream.py", *(p for f in FOLDERS for p in sorted((ROOT / f).rglob("*.py")))]
    names = (path.relative_to(ROOT).with_suffix("").parts for path in paths)
    return {
        ".".join(n[:-1] if n[-1] == "__init__" else n): p for n, p in zip(names, paths, strict=True)
    }


@cache
def imports(source: str) -> tuple[Import, ...]:
    """All imports of a source, also those within functions; `from a import b` is `a.b`."""
    return tuple(_imports(ast.parse(source), typed=False))


def _imports(node: ast.AST, typed: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, typed) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports are not used in this project"
        yield from (Import(f"{node.module}.{alias.name}", typed) for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        yield from (each for child in node.body for each in _imports(child, typed=True))
        yield from (each for child in node.orelse for each in _imports(child, typed))
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, typed)


def module_of(name: str, known: dict[str, Path]) -> str | None:
    """The module of the tree that an imported name lies in; None for another package's name."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def internal(known: dict[str, Path], typed: bool) -> dict[str, set[str]]:
    """The modules of the tree that each one imports; with `typed` also those for types alone."""
    graph = {}
    for module, path in known.items():
        found = (each for each in imports(path.read_text("utf-8")) if typed or not each.typed)
        graph[module] = {to for each in found if (to := module_of(each.name, known))} - {module}
    return graph


def external(path: Path, known: dict[str, Path]) -> set[str]:
    """The top names that a file imports from outside the tree, the standard library included."""
    names = {each.name for each in imports(path.read_text("utf-8")) if not each.typed}
    return {name.partition(".")[0] for name in names if module_of(name, known) is None}


def reachable(start: str, graph: dict[str, set[str]], without: set[str]) -> set[str]:
    """The modules that importing `start` and calling all of its functions may import; nothing is
    followed into `without`."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module not in reached | without:
            reached.add(module)
            waiting += graph[module]
    return reached
