"""The smallest valid objects of the engine; a test says only what matters to it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tacotune.api.hashing import spec_hash
from tacotune.api.names import job_name
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.api.trial_contract import Progress, TrialResult
from tacotune.engine.observed import (
    Attempt,
    Cause,
    JobPhase,
    Observed,
    ObservedJob,
    ObservedTrial,
    Purpose,
    Storage,
    TrialState,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
NAME = "voice"


def at(seconds: float) -> datetime:
    """That many seconds after NOW (before, when negative)."""
    return NOW + timedelta(seconds=seconds)


def spec_of(**fields: Any) -> TTSStudySpec:
    """A spec with one parameter; fields by their YAML names."""
    document: dict[str, Any] = {
        "searchSpace": [{"name": "learning_rate", "float": {"low": 1e-5, "high": 1.0, "log": True}}],
        "dataset": {"speech": {}},
        "maxTrials": 4,
        "parallelism": 2,
    }
    return TTSStudySpec.model_validate({**document, **fields})


def study_of(spec: TTSStudySpec | None = None, **fields: Any) -> TTSStudy:
    """A study around a spec."""
    return TTSStudy.model_validate(
        {
            "metadata": {"name": NAME, "uid": "0123456789abcdef", "generation": 1},
            "spec": (spec or spec_of(**fields)).model_dump(mode="json", by_alias=True, exclude_none=True),
        }
    )


def hash_of(spec: TTSStudySpec | None = None) -> str:
    """Hash of a spec, the smallest by default."""
    return spec_hash(spec or spec_of())


def result_of(
    state: str = "complete", *values: float | None, spec: TTSStudySpec | None = None, **fields: Any
) -> TrialResult:
    """A result of the default snapshot."""
    document = {
        "state": state,
        "specHash": hash_of(spec),
        "values": list(values),
        "metrics": {"tts_score": values[0]} if values else {},
        "bestStep": 100,
        "checkpoint": "checkpoints/step-00000100",
    }
    return TrialResult.model_validate({**document, **fields})


def attempt_of(
    number: int = 1,
    cause: Cause = Cause.TRANSIENT,
    *,
    ended: float = -100,
    lasted: float = 100,
    **fields: Any,
) -> Attempt:
    """An attempt that ended `ended` seconds from NOW."""
    fields.setdefault("message", "crashed")
    return Attempt(number, cause, at(ended), started_at=at(ended - lasted), **fields)


def job_of(
    trial: int = 0,
    attempt: int = 1,
    phase: JobPhase = JobPhase.RUNNING,
    *,
    purpose: Purpose = Purpose.TRIAL,
    **fields: Any,
) -> ObservedJob:
    """A Job that started ten seconds ago; an ended one ended now."""
    if phase is not JobPhase.PENDING:
        fields.setdefault("started_at", at(-10))
    if phase.ended:
        fields.setdefault("ended_at", NOW)
        fields.setdefault("exit_code", 0 if phase is JobPhase.SUCCEEDED else 1)
    fields.setdefault("created_at", at(-20))
    return ObservedJob(
        name=job_name(NAME, purpose.value, trial, attempt),
        purpose=purpose,
        trial=trial,
        attempt=attempt,
        phase=phase,
        **fields,
    )


def trial_of(
    number: int = 0, state: TrialState = TrialState.RUNNING, *values: float, **fields: Any
) -> ObservedTrial:
    """A trial of the default snapshot; a finished one ended at its number, in seconds."""
    fields.setdefault("parameters", {"learning_rate": 0.01})
    fields.setdefault("spec_hash", hash_of())
    if state.finished:
        fields.setdefault("started_at", at(number - 1000))
        fields.setdefault("ended_at", at(number - 900))
    return ObservedTrial(number, state, values=values, **fields)


def complete(number: int, value: float, **fields: Any) -> ObservedTrial:
    """A complete trial with a checkpoint."""
    fields.setdefault("checkpoint", "checkpoints/step-00000100")
    fields.setdefault("attempts", (attempt_of(1, Cause.FINISHED, outcome="complete", message="trained"),))
    return trial_of(number, TrialState.COMPLETE, value, **fields)


def failed(number: int, cause: Cause = Cause.PERMANENT, **fields: Any) -> ObservedTrial:
    """A trial that failed by itself."""
    fields.setdefault("attempts", (attempt_of(1, cause, message="bad configuration", exit_code=64),))
    return trial_of(number, TrialState.FAIL, **fields)


def observed_of(
    trials: Sequence[ObservedTrial] = (),
    jobs: Sequence[ObservedJob] = (),
    *,
    spec: TTSStudySpec | None = None,
    **fields: Any,
) -> Observed:
    """A study whose dataset and storage are ready."""
    fields.setdefault("dataset_ready", True)
    fields.setdefault("dataset_message", "prepared")
    fields.setdefault("storage", Storage(ready=True))
    fields.setdefault("started_at", at(-3600))
    fields.setdefault("now", NOW)
    spec = spec or spec_of()
    return Observed(
        name=NAME,
        namespace="default",
        uid="0123456789abcdef",
        generation=1,
        spec=spec,
        spec_hash=spec_hash(spec),
        trials=tuple(trials),
        jobs=tuple(jobs),
        **fields,
    )


def progress_at(seconds: float, step: int = 10, attempt: int = 1, total: int = 100) -> Progress:
    """A progress document written that many seconds from NOW."""
    return Progress(step=step, total_steps=total, updated_at=at(seconds).timestamp(), attempt=attempt)
