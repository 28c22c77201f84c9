"""Actions -> ports: all the writes of a pass, in order. Each may be repeated; the first that fails ends the pass."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from tacotune.engine.actions import (
    Action,
    AskTrial,
    CreateJob,
    DeleteJob,
    KillJob,
    PromoteBest,
    RecordAttempt,
    RecordFinal,
    RequestPrune,
    StopJob,
    TellTrial,
)
from tacotune.engine.observed import Observed, Purpose
from tacotune.ports import Cluster, ClusterUnavailable, Launch, TrialStore


def act(  # noqa: PLR0912  one branch an action
    actions: Iterable[Action], observed: Observed, *, store: TrialStore, cluster: Cluster
) -> Iterator[Action]:
    """Carry actions out, yielding each when it is done.

    Raises:
        TransientError: the rest of the plan is dropped; the next pass plans anew. Only what is to be deleted still is when
            a Job could not be created: a quota may count it.
    """
    exhausted = False
    refused: ClusterUnavailable | None = None
    for action in actions:
        if refused is not None and not isinstance(action, DeleteJob):
            continue
        match action:
            case AskTrial(expected_number=number):
                if exhausted:
                    continue  # The space ended with an earlier ask of this pass.
                exhausted = store.ask(number, observed.spec_hash) is None
            case TellTrial():
                store.tell(
                    action.trial,
                    action.state,
                    action.values,
                    message=action.message,
                    metrics=action.metrics,
                    checkpoint=action.checkpoint,
                    best_step=action.best_step,
                )
            case RecordAttempt(purpose=purpose, trial=trial, attempt=attempt):
                store.record_attempt(purpose, trial, attempt)
            case RequestPrune(trial=trial, reason=reason):
                store.request_prune(trial, reason)
            case RecordFinal(trial=trial, result_json=result_json):
                store.record_final(trial, result_json)
            case CreateJob():
                try:
                    cluster.create_job(launch_of(action, observed, store))
                except ClusterUnavailable as error:
                    refused = error
                    continue
            case StopJob(name=name, reason=reason):
                cluster.stop_job(name, reason)
            case KillJob(name=name, reason=reason):
                cluster.kill_job(name, reason)
            case DeleteJob(name=name):
                cluster.delete_job(name)
            case PromoteBest():
                cluster.promote(action)
            case _:
                assert_never(action)
        yield action
    if refused is not None:
        raise refused


def launch_of(action: CreateJob, observed: Observed, store: TrialStore) -> Launch:
    """All that a driver needs to start the attempt of a CreateJob."""
    reports = action.purpose is Purpose.TRIAL
    return Launch(
        purpose=action.purpose,
        trial=action.trial,
        attempt=action.attempt,
        parameters=action.parameters,
        storage_trial_id=store.storage_trial_id(action.trial) if reports else None,
        spec=observed.spec,
        spec_hash=action.spec_hash or observed.spec_hash,
        overrides=action.overrides,
    )
