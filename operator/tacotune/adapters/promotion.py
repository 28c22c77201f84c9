"""Publish the best voice: its checkpoint, samples, pictures and parameters, copied to `best/` in one rename.

Called by the local driver; the cluster's prepare image uses the same layout.
"""

import shutil
from pathlib import Path

from tacotune.adapters.attempt_files import newest_trial_document, read_json, write_json
from tacotune.engine.observed import Purpose
from tacotune.ports import ClusterUnavailable


def published(root: Path) -> str:
    """`<purpose>/<trial>/<checkpoint>` of what `best/` holds; empty when there is nothing."""
    document = read_json(root / "best" / "best.json")
    return str(document.get("source", "")) if document is not None else ""


def source_of(purpose: Purpose, trial: int, checkpoint: str) -> str:
    """How a published voice is named."""
    return f"{purpose.value}/{trial}/{checkpoint}"


def publish(root: Path, directory: Path, purpose: Purpose, trial: int, checkpoint: str) -> None:
    """Copy a checkpoint and what belongs to it; the earlier voice stays until the new one is whole."""
    source = directory / checkpoint
    result = read_json(directory / "result.json") or {}
    fresh, old, best = root / "best.new", root / "best.old", root / "best"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        shutil.copytree(source, fresh / "checkpoint")
        copied: dict[str, list[str]] = {"samples": [], "alignments": []}
        for kind, paths in copied.items():
            (fresh / kind).mkdir()
            for path in map(Path, result.get(kind, [])):
                shutil.copy2(directory / path, fresh / kind / path.name)
                paths.append(f"{kind}/{path.name}")
        trial_document = newest_trial_document(root, purpose, trial) or {}
        values = result.get("values") or [None]
        write_json(
            fresh / "best.json",
            {
                "source": source_of(purpose, trial, checkpoint),
                "purpose": purpose.value,
                "trial": trial,
                "value": values[0],
                "parameters": trial_document.get("parameters", {}),
                "preset": trial_document.get("preset", ""),
                "metrics": result.get("metrics", {}),
                "gateThreshold": result.get("gateThreshold"),
                "checkpoint": "checkpoint",
                **copied,
            },
        )
        shutil.rmtree(old, ignore_errors=True)
        if best.exists():
            best.rename(old)
        fresh.rename(best)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ClusterUnavailable(f"cannot publish {source} in {best}: {error}", retry_after=5.0) from error
