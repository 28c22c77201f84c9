"""Publish a voice: its checkpoint, samples, pictures and parameters become `best/`, complete in itself.

Everything is copied beside, hashed and synced on the way, and put in place at the end. Until then the voice before stays; a
publication that was killed is simply done again.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Final

from tacotrain.contract import RESULT_FILE, Publication, Result, read_result
from tacotrain.errors import DataError, InputMissing
from tacotrain.files import encode_json, read_json, sync_directory
from tacotrain.staging import staged_directory

BEST: Final = "best"
DOCUMENT: Final = "best.json"
_METADATA: Final = "metadata.json"
"""Of a checkpoint, as `checkpoint_files` writes it; that module would load torch."""
_CHUNK: Final = 1 << 20


def publish(root: Path, publication: Publication) -> Path:
    """Replace `best/` below the study's directory; its path.

    Raises:
        InputMissing: There is no such trial or checkpoint.
        DataError: The checkpoint does not match its hashes, or the voice has nothing to listen to.
        WriteError: The disk is full; the voice before is untouched.
    """
    directory = root / publication.directory
    result = read_result(directory / RESULT_FILE)
    checkpoint = _inside(directory, publication.checkpoint)
    if not (checkpoint / _METADATA).is_file():
        raise InputMissing(f"{checkpoint}: no checkpoint there")
    parameters, preset = _recipe(publication, read_json(checkpoint / _METADATA))
    if not result.samples and parameters.get("sample_utterances") != 0:
        raise DataError(f"{directory / RESULT_FILE}: names no sample, and a voice needs one to be heard")
    kinds = {"samples": result.samples, "alignments": result.alignments}
    sources = {kind: [_inside(directory, path) for path in paths] for kind, paths in kinds.items()}
    target = root / BEST
    with staged_directory(target) as fresh:
        files = _copy(sorted(path for path in checkpoint.iterdir() if path.is_file()), fresh / "checkpoint")
        _compare(checkpoint, files)
        for kind, paths in sources.items():
            files |= _copy(paths, fresh / kind)
        document = _document(publication, result, files) | {"parameters": parameters, "preset": preset}
        (fresh / DOCUMENT).write_text(encode_json(document, indent=1) + "\n", encoding="utf-8")
        _sync(fresh / DOCUMENT)
        sync_directory(fresh)
    sync_directory(root)
    return target


def _document(publication: Publication, result: Result, files: dict[str, str]) -> dict[str, Any]:
    return {
        "source": publication.source,
        "purpose": publication.purpose,
        "trial": publication.trial,
        "value": result.values[0] if result.values else None,
        "metrics": result.metrics,
        "gateThreshold": result.gate_threshold,
        "checkpoint": "checkpoint",
        "samples": [path for path in files if path.startswith("samples/")],
        "alignments": [path for path in files if path.startswith("alignments/")],
        "files": {path: {"sha256": digest} for path, digest in files.items()},
    }


def _recipe(publication: Publication, metadata: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Parameters and preset: as the operator names them, else as the checkpoint was trained with."""
    trained: dict[str, Any] = metadata.get("identity", {}).get("parameters", {})
    parameters = trained if publication.parameters is None else publication.parameters
    return parameters, publication.preset or str(metadata.get("preset", ""))


def _inside(directory: Path, path: str) -> Path:
    """A path that a document gives, unless it leads out of the trial's directory."""
    found = directory / path
    if not found.resolve().is_relative_to(directory.resolve()):
        raise DataError(f"{path}: leads out of {directory}")
    return found


def _copy(sources: list[Path], folder: Path) -> dict[str, str]:
    """Copy files into a new folder; their sha256 by the path below the folder's parent."""
    folder.mkdir()
    copied = {}
    for source in sources:
        copied[f"{folder.name}/{source.name}"] = _copy_file(source, folder / source.name)
    sync_directory(folder)
    return copied


def _copy_file(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    try:
        reader = source.open("rb")
    except FileNotFoundError as error:
        raise InputMissing(f"{source}: no such file") from error
    with reader, target.open("wb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _compare(checkpoint: Path, files: dict[str, str]) -> None:
    """What was read is what was once written."""
    metadata = read_json(checkpoint / _METADATA)
    for name, expected in metadata.get("files", {}).items():
        found = files.get(f"checkpoint/{name}")
        if found is None:
            raise InputMissing(f"{checkpoint / name}: no such file")
        if found != expected["sha256"]:
            raise DataError(f"{checkpoint / name}: does not match its sha256; it is damaged")
