"""Ports -> `Observed`: all the reads of a pass, in an order that cannot make a finished thing look lost.

Jobs are read before the store and the dataset: what a Job left behind when it ended is then seen in the same pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tacotune.api.hashing import spec_hash
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.engine.observed import Observed, ObservedJob, ObservedTrial, Publication, Storage
from tacotune.ports import Clock, Cluster, StorageUnavailable, StudyRecord, TrialStore


@dataclass(frozen=True, slots=True)
class Known:
    """What the ports last said; stands in while one of them is away."""

    record: StudyRecord = field(default_factory=StudyRecord)
    trials: Sequence[ObservedTrial] = ()
    jobs: Sequence[ObservedJob] = ()


def observe(
    study: TTSStudy,
    *,
    store: TrialStore,
    cluster: Cluster,
    clock: Clock,
    known: Known,
    status: TTSStudyStatus,
    interrupted: bool = False,
    forgive_before: datetime | None = None,
) -> Observed:
    """Read everything a plan needs.

    Raises:
        ClusterUnavailable: without Jobs nothing can be decided.
        InvalidStudy: the stored study contradicts the manifest.
    """
    jobs = cluster.jobs()
    dataset = cluster.dataset()
    promoted, publication = cluster.promoted(), cluster.publication()
    try:
        store.open(study.spec)
        known = Known(store.record(), store.trials(), jobs)
        storage = Storage(ready=True)
    except StorageUnavailable as error:
        storage = Storage(ready=False, message=str(error))
    return assemble(
        study,
        replace(known, jobs=jobs),
        now=clock.now(),
        storage=storage,
        status=status,
        dataset=dataset,
        promoted=promoted,
        page_of=cluster.page_of(),
        publication=publication,
        interrupted=interrupted,
        forgive_before=forgive_before,
    )


def assemble(
    study: TTSStudy,
    known: Known,
    *,
    now: datetime,
    storage: Storage,
    status: TTSStudyStatus,
    dataset: tuple[bool, str] = (False, ""),
    promoted: str = "",
    page_of: int | None = None,
    publication: Publication | None = None,
    interrupted: bool = False,
    forgive_before: datetime | None = None,
) -> Observed:
    """Put what is known together; also for a pass in which little could be read."""
    metadata, record = study.metadata, known.record
    return Observed(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        generation=metadata.generation,
        spec=study.spec,
        spec_hash=spec_hash(study.spec),
        now=now,
        storage=storage,
        dataset_ready=dataset[0],
        dataset_message=dataset[1],
        trials=tuple(known.trials),
        jobs=tuple(known.jobs),
        prepare_attempts=record.prepare_attempts,
        final_attempts=record.final_attempts,
        final_trial=record.final_trial,
        final_result=record.final_result,
        promoted=promoted,
        page_of=page_of,
        publication=publication,
        space_exhausted=record.space_exhausted,
        started_at=record.started_at,
        status=status,
        interrupted=interrupted,
        forgive_before=forgive_before,
    )


def remembered(observed: Observed) -> Known:
    """What to keep of a pass."""
    return Known(
        StudyRecord(
            started_at=observed.started_at,
            prepare_attempts=observed.prepare_attempts,
            final_attempts=observed.final_attempts,
            final_trial=observed.final_trial,
            final_result=observed.final_result,
            space_exhausted=observed.space_exhausted,
        ),
        observed.trials,
        observed.jobs,
    )
