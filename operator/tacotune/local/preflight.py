"""Checks before a local run starts, and what an earlier run of the same name fixed. Pure but for reading the run directory."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.local.rundir import RunDirectory, RunError


def localized(study: TTSStudy, base: Path) -> TTSStudy:
    """Fit a manifest to this machine: the dataset's folder becomes absolute.

    Raises:
        RunError: the manifest needs something that only a cluster has, or the folder is missing.
    """
    spec = study.spec
    if spec.dataset.persistent_volume_claim is not None:
        raise RunError(
            "spec.dataset.persistentVolumeClaim needs a cluster; on one machine give the folder: tacotune run … --data FOLDER"
        )
    if spec.trainer.workers > 1:
        raise RunError(
            "spec.trainer.workers above 1 needs a cluster; on one machine set it to 1 and raise spec.parallelism"
        )
    if spec.dataset.path is not None:
        folder = (base / Path(spec.dataset.path).expanduser()).resolve()
        if not folder.exists():
            raise RunError(f"spec.dataset.path: {folder} does not exist")
        dataset = spec.dataset.model_copy(update={"path": str(folder)})
        study = study.model_copy(update={"spec": spec.model_copy(update={"dataset": dataset})})
    return study


def continued(study: TTSStudy, directory: RunDirectory) -> TTSStudy:
    """Take over the identity of an earlier run of this name, or make a new one.

    Raises:
        RunError: the manifest contradicts what the earlier run has fixed.
    """
    if not directory.exists():
        return _with_identity(study, uid=str(uuid.uuid4()), generation=1)
    earlier = directory.read_study()
    changed = list(_immutable_changes(earlier.spec, study.spec))
    if changed:
        raise RunError(
            f"{', '.join(changed)} changed since {directory.root} was started, and finished trials would no longer be comparable. "
            "Give the study another metadata.name, or another --directory"
        )
    generation = earlier.metadata.generation + (earlier.spec != study.spec)
    return _with_identity(study, uid=earlier.metadata.uid, generation=generation)


def warm_start(spec: TTSStudySpec, runs: Path) -> Path | None:
    """The best published checkpoint among `warmStart.fromStudies`; None when trials start from scratch.

    Raises:
        RunError: weights are wanted and none of these studies has published a voice in this folder.
    """
    if spec.warm_start is None or spec.warm_start.weights == "none":
        return None
    voices = []
    for name in spec.warm_start.from_studies:
        found = RunDirectory.of(runs, name).read_best()
        if found is not None and found[0].value is not None:
            voice, folder = found
            voices.append((found[0].value, (folder / voice.checkpoint).resolve()))
    if not voices:
        names = ", ".join(spec.warm_start.from_studies)
        raise RunError(
            f"spec.warmStart.weights: best, but {runs} has no voice of {names}; run them first, or set it to none"
        )
    best = min if spec.all_objectives[0].direction == "Minimize" else max
    return best(voices)[1]


def _with_identity(study: TTSStudy, uid: str, generation: int) -> TTSStudy:
    metadata = study.metadata.model_copy(update={"uid": uid, "generation": generation})
    return study.model_copy(update={"metadata": metadata, "status": None})


def _immutable_changes(old: TTSStudySpec, new: TTSStudySpec) -> Iterator[str]:
    if old.search_space != new.search_space:
        yield "spec.searchSpace"
    if old.all_objectives != new.all_objectives:
        yield "spec.objective"
    if old.weights != new.weights:
        yield "spec.weights"
    if old.sampler.name != new.sampler.name:
        yield "spec.sampler.name"
    if old.dataset != new.dataset:
        yield "spec.dataset"
    if old.trainer.preset != new.trainer.preset:
        yield "spec.trainer.preset"


def threads_per_attempt(parallelism: int) -> int:
    """Cores that each of the parallel attempts may use."""
    return max(1, (len(os.sched_getaffinity(0))) // max(parallelism, 1))
