"""One pass for one study: observe, plan, act; then a status to write and events to tell. Shared by both drivers.

It blocks (database, processes, API server), so an asynchronous driver calls it in a thread. It keeps nothing that a restart
would miss: only what the store last said, for the time when the store is away.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from tacotune.api.conditions import Condition, ConditionType, Phase, Reason, set_condition
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy
from tacotune.controller.act import act
from tacotune.controller.observe import Known, assemble, observe, remembered
from tacotune.engine.actions import Action
from tacotune.engine.events import Event, narrate
from tacotune.engine.observed import Observed, Storage
from tacotune.engine.plan import Plan, plan
from tacotune.engine.status import hindered
from tacotune.ports import (
    Clock,
    Cluster,
    ClusterUnavailable,
    InvalidStudy,
    StorageUnavailable,
    TacotuneError,
    TransientError,
    TrialStore,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass leaves to its driver."""

    status: TTSStudyStatus
    """To be written once."""
    events: tuple[Event, ...]
    """To be told after the status is written."""
    requeue_after: float | None
    """Seconds until the next pass at the latest; 0: at once; None: nothing will change by itself."""
    actions: tuple[Action, ...]
    """Those that were carried out."""
    observed: Observed
    """What the pass saw, before its actions."""
    ended: bool = False
    """The study has ended and nothing of it runs."""
    error: TacotuneError | None = None
    """What cut the pass short; the status says it too."""

    @property
    def idle(self) -> bool:
        """Nothing was done and nothing runs: an interrupted driver may leave."""
        return not self.actions and self.error is None and all(job.phase.ended for job in self.observed.jobs)


class Reconciler:
    """Passes over one study through its ports."""

    def __init__(self, store: TrialStore, cluster: Cluster, clock: Clock) -> None:
        self._store = store
        self._cluster = cluster
        self._clock = clock
        self._known = Known()

    def run_once(
        self,
        study: TTSStudy,
        interrupted: bool = False,
        previous_status: TTSStudyStatus | None = None,
        forgive_before: datetime | None = None,
    ) -> Outcome:
        """Bring the study one step further.

        Args:
            study: The manifest as it is now.
            interrupted: Stop everything so that it can be resumed, begin nothing.
            previous_status: The last one written; conditions keep their transition times by it.
            forgive_before: When a person asked to try again; see `Observed.forgive_before`.

        Returns:
            What was done and what is to be written. Transient errors and an invalid study are in it, not raised.
        """
        status = previous_status or study.status or TTSStudyStatus()
        try:
            observed = observe(
                study,
                store=self._store,
                cluster=self._cluster,
                clock=self._clock,
                known=self._known,
                status=status,
                interrupted=interrupted,
                forgive_before=forgive_before,
            )
        except TransientError as error:
            # Without Jobs nothing can be decided: what was written stays true until they can be listed again.
            return Outcome(status, (), error.retry_after, (), self._blank(study, status), error=error)
        except InvalidStudy as error:
            blank = self._blank(study, status)
            invalid = _invalid(blank, error)
            return Outcome(invalid, narrate(blank, (), invalid), None, (), blank, error=error)
        self._known = remembered(observed)
        return self._carry_out(observed, plan(observed))

    def _carry_out(self, observed: Observed, planned: Plan) -> Outcome:
        done: list[Action] = []
        try:
            for action in act(planned.actions, observed, store=self._store, cluster=self._cluster):
                done.append(action)  # noqa: PERF402  what was done before an error counts
        except InvalidStudy as error:
            # The platform refuses what follows from the spec: a pod template, say.
            status = _invalid(observed, error)
            return Outcome(status, narrate(observed, done, status), None, tuple(done), observed, error=error)
        except TransientError as error:
            seen = observed
            if isinstance(error, StorageUnavailable):
                seen = replace(observed, storage=Storage(ready=False, message=str(error)))
            status = plan(seen).status
            if isinstance(error, ClusterUnavailable):
                status = hindered(status, str(error))
            events = narrate(observed, done, status)
            return Outcome(status, events, error.retry_after, tuple(done), observed, error=error)
        return Outcome(
            planned.status, planned.events, planned.requeue_after, tuple(done), observed, ended=planned.ended
        )

    def _blank(self, study: TTSStudy, status: TTSStudyStatus) -> Observed:
        """What can be said when a pass could not be made: what the ports said last."""
        return assemble(
            study, self._known, now=self._clock.now(), storage=Storage(ready=False), status=status
        )


def _invalid(observed: Observed, error: InvalidStudy) -> TTSStudyStatus:
    """The status of a study whose stored rows contradict its manifest."""
    condition = Condition(
        type=ConditionType.SUCCEEDED,
        status="False",
        reason=Reason.INVALID_SPEC,
        message=str(error)[:1024],
        last_transition_time=observed.now,
        observed_generation=observed.generation,
    )
    return observed.status.model_copy(
        update={
            "observed_generation": observed.generation,
            "phase": Phase.FAILED,
            "conditions": set_condition(observed.status.conditions, condition),
        }
    )
