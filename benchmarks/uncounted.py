"""A local hit that nobody counts: what statistics cost is the difference from the one that everybody uses."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from caching import regions

__all__ = ["ChangedError", "get_counted", "get_uncounted"]


class ChangedError(Exception):
    """`Region.get` no longer has what is taken out of it here, so what would be measured is something else."""


class _WithoutCounting(ast.NodeTransformer):
    def __init__(self) -> None:
        self.taken_out: list[str] = []

    def visit_Assign(self, node: ast.Assign) -> Any:
        [target] = node.targets
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            kept = [(name, value) for name, value in pairs if _names(name) != {"counters"}]
            if len(kept) < len(target.elts):
                self.taken_out.append("counters")
                target.elts, node.value.elts = [name for name, _ in kept], [value for _, value in kept]
        elif "counters" in _names(node):
            self.taken_out.append("count")
            return None
        return node


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def get_counted() -> Callable[..., Any]:
    """Return `Region.get` as it stands, made anew: the other is adapted to all regions it served."""
    return _made(_tree())


def get_uncounted() -> Callable[..., Any]:
    """Return the same, but for its counter and its samples; raises `ChangedError`."""
    change = _WithoutCounting()
    changed = ast.fix_missing_locations(change.visit(_tree()))
    if sorted(change.taken_out) != ["count", "count", "counters"]:
        raise ChangedError(f"Region.get has other statistics than a counter and samples: {change.taken_out}.")
    return _made(changed)


def _tree() -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(regions.Region.get)))


def _made(tree: ast.Module) -> Callable[..., Any]:
    made: dict[str, Any] = {}
    # In the module's own names, so that look-ups cost the same.
    exec(compile(tree, regions.__file__, "exec"), vars(regions), made)  # noqa: S102 -- its own source
    get: Callable[..., Any] = made["get"]
    return get
