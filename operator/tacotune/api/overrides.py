"""`--set path=value`: lay a value into the tree of a manifest before it is looked at, so that it is judged like the file."""

from collections.abc import Iterator
from typing import Any

from tacotune.api.yaml_tree import Fault, Mark, Node


def override(root: Node, path: str, value: Any) -> Fault | None:
    """Lay one value into a manifest; mappings on the way are made, positions of lists must be there.

    Args:
        root: The manifest; changed in place.
        path: Below `spec`, such as `sampler.seed` or `searchSpace[0].float.high`.
        value: Plain data.

    Returns:
        Why it cannot be done, else None.
    """
    parts = ("spec", *_parts(path))
    node = root
    for part in parts[:-1]:
        child = node.child(part)
        if child is None and isinstance(node.content, dict):
            child = node.content[str(part)] = Node(node.mark, {})
        if child is None or not isinstance(child.content, dict | list):
            return Fault(parts, node.mark, f"cannot be set, there is nothing at {part}")
        node = child
    last = parts[-1]
    match node.content:
        case dict() as mapping:
            mapping[str(last)] = _tree(value, node.mark)
        case list() as items if isinstance(last, int) and last < len(items):
            items[last] = _tree(value, node.mark)
        case _:
            return Fault(parts, node.mark, f"cannot be set, there is nothing at {last}")
    return None


def _parts(path: str) -> Iterator[str | int]:
    for part in path.removeprefix("spec.").replace("[", ".").replace("]", "").split("."):
        yield int(part) if part.isdecimal() else part


def _tree(value: Any, mark: Mark) -> Node:
    match value:
        case dict():
            children = {str(key): _tree(item, mark) for key, item in value.items()}
            return Node(mark, children, dict.fromkeys(children, mark))
        case list():
            return Node(mark, [_tree(item, mark) for item in value])
        case _:
            return Node(mark, value)
