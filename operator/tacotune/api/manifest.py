"""Manifests as people write them: YAML text -> TTSStudy, or every problem at once with its line and column.

pydantic stops at the first layer of errors: a model with a wrong field is never checked across fields. So a broken part is
reported, taken out, and the rest is looked at again, until nothing new is found. What is judged over a place where something
was taken out is not reported: it would be an echo of the first mistake.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from tacotune.api import names
from tacotune.api.findings import Finding, Loc, dotted, nearest
from tacotune.api.messages import Complaint, complaints, contradictory_spec, shown
from tacotune.api.overrides import override
from tacotune.api.parameters import trainer_findings, trainer_parameters, unknown_parameter
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.api.yaml_tree import Document, Fault, Mark, Node, plain, read_documents

MAX_ROUNDS: Final = 20
PLACEHOLDERS: Final[Mapping[Loc, Any]] = MappingProxyType(
    {
        ("metadata",): {"name": "x"},
        ("metadata", "name"): "x",
        ("spec", "dataset"): {"speech": {}},
        ("spec", "searchSpace"): [{"name": "placeholder", "int": {"low": 0, "high": 0}}],
    }
)
"""Stand in for what must be there and is missing or broken, so that the rest of the manifest can be looked at."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file."""

    path: str
    """`spec.searchSpace[2].float.low`; empty for the document as a whole."""
    message: str
    line: int | None = None
    column: int | None = None
    hint: str = ""
    """What to do, where the message does not say so."""

    def __str__(self) -> str:
        """`3:14: spec.maxTrials: … (hint)`."""
        place = f"{self.line}:{self.column}: " if self.line is not None else ""
        path = f"{self.path}: " if self.path else ""
        return f"{place}{path}{self.message}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One TTSStudy of a file: the study, or what is wrong with it."""

    study: TTSStudy | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """All documents of a file."""

    manifests: tuple[Manifest, ...]
    skipped: tuple[str, ...] = ()
    """Kinds of the documents that are something else, such as `v1 Secret`."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Those of all documents, in the file's order."""
        return tuple(p for m in self.manifests for p in m.problems)


class InvalidManifestError(ValueError):
    """A manifest that cannot be used; carries every problem."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def read_manifests(text: str, overrides: Mapping[str, Any] | None = None) -> ManifestFile:
    """Read every TTSStudy of a YAML file; documents of other kinds are left alone.

    Args:
        text: The file.
        overrides: Values by path below `spec`, such as `{"sampler.seed": 7}`, laid over each study.
    """
    manifests: list[Manifest] = []
    skipped: list[str] = []
    for document in read_documents(text):
        other = _other_kind(document)
        if other:
            skipped.append(other)
        else:
            manifests.append(_read(document, overrides or {}))
    if not manifests:
        problem = Problem("", "no TTSStudy in this file", hint="`tacotune init` writes one to begin with")
        manifests.append(Manifest(None, (problem,)))
    return ManifestFile(tuple(manifests), tuple(skipped))


def read_manifest(text: str, overrides: Mapping[str, Any] | None = None) -> TTSStudy:
    """Read the one TTSStudy of a YAML file.

    Raises:
        InvalidManifestError: it has problems, or there is not exactly one.
    """
    file = read_manifests(text, overrides)
    if file.problems:
        raise InvalidManifestError(file.problems)
    studies = [m.study for m in file.manifests if m.study is not None]
    if len(studies) > 1:
        several = ", ".join(s.metadata.name for s in studies)
        raise InvalidManifestError(
            (Problem("", f"{len(studies)} studies in one file: {several}", hint="one at a time"),)
        )
    return studies[0]


def _other_kind(document: Document) -> str:
    """`v1 Secret` for a document that is clearly no TTSStudy."""
    if document.root is None or not isinstance(document.root.content, dict):
        return ""
    fields = document.root.content
    version, kind = (str(fields[name].content) if name in fields else "" for name in ("apiVersion", "kind"))
    if not version or not kind or version.startswith(names.GROUP) or nearest(kind, [names.KIND]):
        return ""
    return f"{version} {kind}"


def _read(document: Document, overrides: Mapping[str, Any]) -> Manifest:
    found = [(fault.loc, _told(fault)) for fault in document.faults]
    if document.root is None:
        return Manifest(None, tuple(p for _, p in found))
    root = document.root
    if not isinstance(root.content, dict):
        problem = Problem("", f"a manifest is a mapping, not {shown(plain(root))}", *_place(root.mark))
        return Manifest(None, (*(p for _, p in found), problem))
    for path, value in overrides.items():
        if fault := override(root, path, value):
            found.append((fault.loc, _told(fault)))
    study, findings = _examine(root)
    known = {loc for loc, _ in found}
    found += [(f.loc, _located(root, f)) for f in findings if f.loc not in known]
    problems = sorted((p for _, p in found), key=lambda p: (p.line or 0, p.column or 0))
    return Manifest(None if problems else study, tuple(problems))


def _told(fault: Fault) -> Problem:
    return Problem(dotted(fault.loc), fault.message, *_place(fault.mark), hint=fault.hint)


def _examine(root: Node) -> tuple[TTSStudy | None, list[Finding]]:
    """Validate, take broken parts out, validate again, until nothing new turns up."""
    removed: frozenset[Loc] = frozenset()
    found: list[Finding] = []
    seen: set[tuple[Loc, str]] = set()
    study: TTSStudy | None = None
    for _ in range(MAX_ROUNDS):
        study, fresh = _look(root, removed)
        for complaint in fresh:
            finding = complaint.finding
            if (finding.loc, finding.message) not in seen and not _echo(complaint, removed):
                seen.add((finding.loc, finding.message))
                found.append(finding)
        broken = frozenset(c.broken for c in fresh if c.broken) - removed
        if study is not None or not broken:
            break
        removed |= broken
    found += _misnamed(root, removed)
    return (None if found else study), found


def _misnamed(root: Node, removed: frozenset[Loc]) -> Iterator[Finding]:
    """Parameters that the trainer does not know, among those that were taken out before it was asked."""
    space = root.at(("spec", "searchSpace"))
    for loc in removed:
        if len(loc) == 3 and loc[:2] == ("spec", "searchSpace"):
            node = space.at((loc[2], "name")) if space is not None else None
            name = node.content if node is not None else None
            if isinstance(name, str) and name not in trainer_parameters():
                yield unknown_parameter((*loc, "name"), name, trainer_parameters())


def _look(root: Node, removed: frozenset[Loc]) -> tuple[TTSStudy | None, list[Complaint]]:
    data = _data(root, removed)
    study: TTSStudy | None = None
    found: list[Complaint] = []
    try:
        # Through JSON and strict: what the API server would see, with its types. "4" is no number there.
        study = TTSStudy.model_validate_json(json.dumps(data), strict=True, by_alias=True, by_name=False)
        spec: TTSStudySpec | None = study.spec
    except ValidationError as error:
        found += complaints(error, data)
        spec = contradictory_spec(error)
    if spec is not None:
        found += (Complaint(f.below("spec")) for f in trainer_findings(spec))
    return study, [_restored(c, root, removed) for c in found]


def _data(root: Node, removed: frozenset[Loc]) -> Any:
    data = plain(root, removed)
    for loc in sorted(removed & PLACEHOLDERS.keys(), key=len):
        *parents, last = loc
        holder = data
        for part in parents:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[last] = PLACEHOLDERS[loc]
    return data


def _echo(complaint: Complaint, removed: frozenset[Loc]) -> bool:
    """Whether a complaint may only be there because something was taken out."""
    loc = complaint.finding.loc
    places = [*complaint.finding.involves, *([loc] if complaint.whole else [])]
    inside = any(loc[: len(gone)] == gone for gone in removed)
    return inside or any(_touches(place, gone) for place in places for gone in removed)


def _touches(one: Loc, other: Loc) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _restored(complaint: Complaint, root: Node, removed: frozenset[Loc]) -> Complaint:
    """Count list positions as the file does, where earlier items were taken out."""
    finding = complaint.finding
    return Complaint(
        Finding(
            _original(finding.loc, root, removed),
            finding.message,
            finding.hint,
            finding.involves,
        ),
        _breakable(_original(complaint.broken, root, removed), finding.loc),
        complaint.whole,
    )


def _breakable(broken: Loc, loc: Loc) -> Loc:
    """A missing part that has a stand-in need not take down what lacks it."""
    return loc if loc in PLACEHOLDERS and broken else broken


def _original(loc: Loc, root: Node, removed: frozenset[Loc]) -> Loc:
    node: Node | None = root
    result: Loc = ()
    for part in loc:
        if node is not None and isinstance(node.content, list) and isinstance(part, int):
            kept = [i for i in range(len(node.content)) if (*result, i) not in removed]
            part = kept[part] if part < len(kept) else part  # noqa: PLW2901  the same item, counted anew
        result = (*result, part)
        node = node.child(part) if node is not None else None
    return result


def _located(root: Node, finding: Finding) -> Problem:
    return Problem(dotted(finding.loc), finding.message, *_place(_mark(root, finding.loc)), hint=finding.hint)


def _mark(root: Node, loc: Loc) -> Mark:
    """Place of a key, of a list's item, or of the nearest thing around it that the file has."""
    mark, node = root.mark, root
    for part in loc:
        child = node.child(part)
        if child is None:
            break
        mark = node.keys.get(str(part), child.mark)
        node = child
    return mark


def _place(mark: Mark | None) -> tuple[int | None, int | None]:
    return (None, None) if mark is None else (mark.line, mark.column)
