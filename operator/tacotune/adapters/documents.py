"""What an attempt is given: `trial.json`, or the arguments of `tacotrain prepare`. Pure; drivers write and pass it."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from tacotune.api import names
from tacotune.api.study import TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.api.trial_contract import (
    CheckpointSettings,
    DatasetReference,
    ObjectiveReference,
    ReportSettings,
    StudyReference,
    TrialDocument,
    WarmStartReference,
)
from tacotune.engine.observed import ParameterValue, Purpose
from tacotune.ports import Launch

_SNAPSHOT: Final = frozenset(
    {"preset", "seed", "objectives", "weights", "early_stopping", "checkpoints", "warm_start"}
)
"""Fields of `trial.json` that follow from the study as it was when the trial was asked; `parameters` come with overrides."""


def trial_document(
    launch: Launch,
    study: StudyKey,
    *,
    warm_start: PurePath | None = None,
    dataset: PurePath,
    directory: PurePath,
    threads: int | None,
    every_seconds: float = 1.0,
) -> TrialDocument:
    """Build `trial.json` of one attempt."""
    spec = launch.spec
    reports = launch.purpose is Purpose.TRIAL and launch.storage_trial_id is not None
    early = spec.early_stopping
    return TrialDocument(
        study=StudyReference(name=study.name, namespace=study.namespace, uid=study.uid),
        purpose="final" if launch.purpose is Purpose.FINAL else "trial",
        trial=launch.trial,
        attempt=launch.attempt,
        spec_hash=launch.spec_hash,
        preset=spec.trainer.preset,
        parameters=dict(launch.parameters),
        seed=spec.trainer.seed,
        dataset=DatasetReference(path=str(dataset)),
        objectives=[ObjectiveReference(metric=o.metric, direction=o.direction) for o in spec.all_objectives],
        weights=dict(spec.weights),
        early_stopping=early.model_dump(mode="json", by_alias=True, exclude={"enabled"})
        if early.enabled
        else None,
        checkpoints=CheckpointSettings(every_steps=spec.checkpoints.every_steps, keep=spec.checkpoints.keep),
        directory=str(directory),
        report=ReportSettings(
            storage_url_env=names.STORAGE_URL if reports else None,
            storage_trial_id=launch.storage_trial_id if reports else None,
            every_seconds=every_seconds,
        ),
        warm_start=WarmStartReference(checkpoint=str(warm_start)) if warm_start is not None else None,
        device=spec.trainer.device,
        threads=threads,
    )


def under_earlier_snapshot(
    document: TrialDocument, earlier: Mapping[str, Any], overrides: Mapping[str, ParameterValue]
) -> TrialDocument:
    """A further attempt of a trial whose study was edited since its ask: it goes on as it began.

    Args:
        document: Built from the study as it is now. Where and on what the attempt runs is taken from here.
        earlier: `trial.json` of an attempt before it. What the trial is is taken from here.
        overrides: Parameters that the attempts before it changed.
    """
    began = TrialDocument.model_validate(earlier)
    kept = {name: getattr(began, name) for name in _SNAPSHOT}
    return document.model_copy(update={**kept, "parameters": {**began.parameters, **overrides}})


def prepare_arguments(spec: TTSStudySpec, out: PurePath, *, claim: PurePath | None = None) -> list[str]:
    """Arguments of `tacotrain` that prepare the study's dataset.

    Args:
        spec: The study's.
        out: Folder of the prepared dataset.
        claim: Where the dataset's claim is mounted, on a cluster.
    """
    dataset = spec.dataset
    arguments = ["prepare", "--out", str(out), "--language", dataset.language]
    if dataset.phonemes:
        arguments.append("--phonemes")
    if dataset.skip_bad:
        arguments.append("--skip-bad")
    if dataset.speech is not None:
        speech = dataset.speech
        return [
            *arguments,
            *(
                "--speech",
                dataset.language,
                "--train",
                str(speech.utterances),
                "--validation",
                str(speech.validation),
            ),
            *("--rate", str(speech.rate), "--seed", str(speech.seed)),
        ]
    recordings = dataset.path if dataset.path is not None else claim
    assert recordings is not None, "the runner refuses claims before it starts"
    return [*arguments, str(recordings)]
