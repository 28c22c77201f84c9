"""YAML with positions: every value remembers its line and column, and means what it means to kubectl.

kubectl reads YAML 1.1 as Go's yaml.v2 does; a manifest must not mean one thing on one machine and another in a cluster. So
`1e-3` is a number, `yes` and `off` are booleans, a date is text. All mistakes of a document that can be found past the first
are found: duplicate keys, ambiguous numbers, keys that are no text. Only a syntax error ends the reading.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

Loc = tuple[str | int, ...]
Scalar = str | int | float | bool | None

MAX_DEPTH: Final = 50
MAX_NODES: Final = 200_000

_TRUE: Final = frozenset(["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"])
_FALSE: Final = frozenset(["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"])
_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_BASED: Final = re.compile(r"[-+]?0(x[0-9a-fA-F_]+|b[01_]+|o[0-7_]+)")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9_]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NOT_A_NUMBER: Final = frozenset([".nan", ".NaN", ".NAN"])


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake in the YAML itself."""

    loc: Loc
    mark: Mark | None
    message: str
    hint: str = ""


@dataclass(slots=True)
class Node:
    """A value with its place. `content` is a scalar, a list of nodes, or nodes by key."""

    mark: Mark
    content: "Scalar | list[Node] | dict[str, Node]"
    keys: dict[str, Mark] = field(default_factory=dict)
    """Places of a mapping's keys."""
    size: int = 1
    """Values in it, those behind aliases counted each time."""

    def child(self, part: str | int) -> "Node | None":
        """What stands at a key or a position."""
        if isinstance(self.content, dict):
            return self.content.get(str(part))
        if isinstance(self.content, list) and isinstance(part, int) and part < len(self.content):
            return self.content[part]
        return None

    def at(self, loc: Loc) -> "Node | None":
        """What stands at a place below."""
        node: Node | None = self
        for part in loc:
            node = node.child(part) if node is not None else None
        return node


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document; `root` is None when it is empty."""

    root: Node | None
    faults: tuple[Fault, ...] = ()


def read_documents(text: str) -> list[Document]:
    """Read all documents of a text. A syntax error becomes the only fault of the last one."""
    documents: list[Document] = []
    events = YAML(typ="safe", pure=True).parse(text)
    try:
        for event in events:
            if isinstance(event, DocumentStartEvent):
                builder = _Builder(events)
                root = builder.build(next(events), ())
                documents.append(Document(root, tuple(builder.faults)))
    except _TooLargeError as error:
        documents.append(Document(None, (Fault((), error.mark, error.message),)))
    except MarkedYAMLError as error:
        documents.append(Document(None, (_syntax_fault(error),)))
    except ReaderError as error:
        documents.append(Document(None, (_character_fault(text, error),)))
    return [d for d in documents if d.faults or not (d.root is None or d.root.content is None)]


def plain(node: Node, removed: frozenset[Loc] = frozenset(), loc: Loc = ()) -> Any:
    """The value as plain Python data, without what lies at the removed places."""
    match node.content:
        case dict() as mapping:
            return {k: plain(n, removed, (*loc, k)) for k, n in mapping.items() if (*loc, k) not in removed}
        case list() as sequence:
            return [plain(n, removed, (*loc, i)) for i, n in enumerate(sequence) if (*loc, i) not in removed]
        case scalar:
            return scalar


def resolve_scalar(text: str) -> Scalar:
    """What an unquoted scalar means to kubectl.

    Raises:
        ValueError: it means different numbers to different readers.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _LEADING_ZERO.fullmatch(text):
        raise ValueError(f"{text} is octal to some readers and decimal to others")
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    digits = text.replace("_", "")
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        return int(digits, 0)
    if _FLOAT.fullmatch(text):
        return float(digits)
    if infinite := _INFINITE.fullmatch(text):
        return -math.inf if infinite[1] == "-" else math.inf
    return math.nan if text in _NOT_A_NUMBER else None


def _mark(event: Event) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _syntax_fault(error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "cannot be read"
    hint = ""
    if "'\\t'" in problem or "\\t" in problem:
        hint = "indent with spaces, YAML allows no tabs"
    elif "mapping values are not allowed" in problem:
        hint = "quote a text that contains ': ', or check the indentation"
    elif "expected <block end>" in problem or "did not find expected" in problem:
        hint = "check the indentation of this line and the one before"
    context = f" {error.context}" if error.context and error.problem else ""
    return Fault(
        (),
        Mark(mark.line + 1, mark.column + 1) if mark else None,
        f"not YAML: {problem}{context}",
        hint,
    )


def _character_fault(text: str, error: ReaderError) -> Fault:
    before = text[: error.position]
    mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
    code = ord(error.character) if isinstance(error.character, str) else int(error.character)
    return Fault((), mark, f"not YAML: the character U+{code:04X} is not allowed", "remove it")


class _TooLargeError(Exception):
    def __init__(self, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.mark = mark
        self.message = message


class _Builder:
    """Composes one document out of parser events."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.faults: list[Fault] = []
        self._events = events
        self._anchors: dict[str, Node] = {}

    def build(self, event: Event, loc: Loc) -> Node | None:
        if isinstance(event, DocumentEndEvent):
            return None
        node = self._node(event, loc)
        if node.size > MAX_NODES:
            raise _TooLargeError(node.mark, f"more than {MAX_NODES} values, aliases counted each time")
        return node

    def _node(self, event: Event, loc: Loc) -> Node:
        mark = _mark(event)
        if len(loc) > MAX_DEPTH:
            raise _TooLargeError(mark, f"nested deeper than {MAX_DEPTH} levels")
        match event:
            case AliasEvent():
                return self._alias(event, loc, mark)
            case ScalarEvent():
                node = Node(mark, self._scalar(event, loc, mark))
            case SequenceStartEvent():
                node = self._sequence(loc, mark)
            case MappingStartEvent():
                node = self._mapping(loc, mark)
            case _:  # pragma: no cover  the parser makes no other events inside a document
                raise AssertionError(event)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, loc: Loc, mark: Mark) -> Node:
        target = self._anchors.get(event.anchor)
        if target is None:
            self.faults.append(Fault(loc, mark, f"alias *{event.anchor} has no anchor before it"))
            return Node(mark, None)
        return Node(mark, target.content, target.keys, target.size)

    def _scalar(self, event: ScalarEvent, loc: Loc, mark: Mark) -> Scalar:
        text = str(event.value)
        if event.tag is not None and str(event.tag) == "tag:yaml.org,2002:str":
            return text
        if event.style or event.tag is not None:
            return text
        try:
            return resolve_scalar(text)
        except ValueError as error:
            hint = f'write {text.lstrip("0+-_") or "0"}, or "{text}" for the text'
            self.faults.append(Fault(loc, mark, str(error), hint))
            return text

    def _sequence(self, loc: Loc, mark: Mark) -> Node:
        items: list[Node] = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._node(event, (*loc, len(items))))
        return Node(mark, items, size=1 + sum(n.size for n in items))

    def _mapping(self, loc: Loc, mark: Mark) -> Node:
        content: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            place = _mark(event)
            key = self._key(event, loc, place)
            node = self._node(next(self._events), (*loc, key))
            if key == "<<" and isinstance(event, ScalarEvent) and not event.style:
                merged.append(node)
            elif key in content:
                first = keys[key].line
                self.faults.append(Fault((*loc, key), place, f"{key} stands twice, first in line {first}"))
            else:
                content[key], keys[key] = node, place
        for node in merged:
            self._merge(node, loc, content, keys)
        return Node(mark, content, keys, 1 + sum(n.size for n in content.values()))

    def _key(self, event: Event, loc: Loc, mark: Mark) -> str:
        if isinstance(event, ScalarEvent):
            return str(event.value)
        self._node(event, loc)  # Read to its end.
        self.faults.append(Fault(loc, mark, "a key must be a text"))
        return f"(key in line {mark.line})"

    def _merge(self, node: Node, loc: Loc, content: dict[str, Node], keys: dict[str, Mark]) -> None:
        sources = node.content if isinstance(node.content, list) else [node]
        for source in sources:
            if not isinstance(source.content, dict):
                self.faults.append(Fault((*loc, "<<"), source.mark, "<< merges mappings only"))
                continue
            for key, value in source.content.items():
                if key not in content:
                    content[key], keys[key] = value, source.keys[key]
