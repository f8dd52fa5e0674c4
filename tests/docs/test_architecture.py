"""The page on architecture shows the packages and the imports that the code has."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.test_import_layers import MODULES, ROOT, imported, parts_of, unit

Edges = set[tuple[str, str]]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")}


def imports_of(path: Path) -> Edges:
    """Return the pairs (package of ``path``, other package that it imports)."""
    parts = parts_of(path)
    package = ".".join(parts if path.name == "__init__.py" else parts[:-1])
    return {(unit(parts), target) for target in imported(path.read_text(), package) if target != unit(parts)}


def reachable(start: str, edges: Edges) -> set[str]:
    """Return the nodes at the end of a path of at least one edge from ``start``. There are no cycles."""
    targets = {target for source, target in edges if source == start}
    return targets.union(*(reachable(target, edges) for target in targets))


def transitive_reduction(edges: Edges) -> Edges:
    """Return the edges without those that a longer path implies."""
    return {
        (source, target)
        for source, target in edges
        if not any(target in reachable(other, edges) for start, other in edges if start == source)
    }


def mermaid(edges: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{source} --> {target}" for source, target in sorted(edges)]


def test_the_diagram_shows_the_imports_between_packages() -> None:
    edges = set().union(*map(imports_of, MODULES))
    between_packages = {edge for edge in edges if set(edge) <= PACKAGES}
    diagram = re.search(r"```mermaid\ngraph TD\n(.*?)```", PAGE, re.DOTALL)
    assert diagram
    assert sorted(map(str.strip, diagram[1].splitlines())) == mermaid(transitive_reduction(between_packages))


def test_the_table_has_a_row_for_each_package() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(PACKAGES)


@pytest.mark.parametrize(
    ("edges", "reduced"),
    [
        ({("a", "b"), ("b", "c"), ("a", "c")}, {("a", "b"), ("b", "c")}),
        ({("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")}, {("a", "b"), ("b", "c"), ("c", "d")}),
        ({("a", "b"), ("a", "c")}, {("a", "b"), ("a", "c")}),
    ],
)
def test_an_import_that_a_longer_path_implies_is_left_out(edges: Edges, reduced: Edges) -> None:
    assert transitive_reduction(edges) == reduced
