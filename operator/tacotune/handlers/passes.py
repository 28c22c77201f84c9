"""One look at one study: read it, bring it further, write its status once, tell what happened. Blocks; runs in a thread.

Create, resume, update, resync and restart are this one path. Deletion and reset have rooms of their own (`farewell`).
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from tacotune.adapters.kube_api import Conflict, Document, KubeApi, collection
from tacotune.adapters.kube_studies import Studies
from tacotune.adapters.outbox import Outbox
from tacotune.api import names
from tacotune.api.conditions import Condition, ConditionType, Phase, Reason, set_condition
from tacotune.api.messages import complaints
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.engine.dashboards import described
from tacotune.engine.events import Event
from tacotune.handlers.databases import Databases
from tacotune.handlers.farewell import Farewell
from tacotune.handlers.logs import about
from tacotune.handlers.messages import PodAnnouncer, cluster_notifier
from tacotune.handlers.metrics import Meters
from tacotune.handlers.queue import Key
from tacotune.handlers.session import Session, open_session
from tacotune.handlers.settings import OperatorSettings
from tacotune.manifests.storage_secret import storage_secret
from tacotune.ports import Clock, InvalidStudy, StorageUnavailable, TransientError

PASSES: Final = 8
"""Passes over one study before others have their turn; the status is written once after them."""
CLOSE_SECONDS: Final = 10.0
"""Longest wait for messages on their way when the operator ends; a pod has 30 seconds in all."""

log = logging.getLogger("tacotune")


class StudyPasses:
    """Looks at studies; safe for several threads as long as no two have the same key."""

    def __init__(
        self,
        api: KubeApi,
        settings: OperatorSettings,
        clock: Clock,
        meters: Meters,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock
        self._meters = meters
        self._monotonic = monotonic
        self._studies = Studies(api)
        self._databases = Databases(api, settings.storage_url, pool_size=settings.workers + 2)
        self._sessions: dict[Key, Session] = {}
        self._farewell = Farewell(api, self._studies, self._databases, settings, clock)
        self.outbox = Outbox(on_failure=self._meters.notification_failed)

    def run_once(self, key: Key) -> float | None:
        """Look at a study.

        Returns:
            Seconds until the next look at the latest; 0: at once; None: nothing will change by itself.

        Raises:
            TransientError: nothing could be decided; look again, later each time.
        """
        with about(namespace=key.namespace, study=key.name):
            return self._read(key)

    def _read(self, key: Key) -> float | None:
        body = self._studies.read(*key)
        if body is None:
            self._sessions.pop(key, None)
            self._meters.forget(key)
            return None
        try:
            if "deletionTimestamp" in body["metadata"]:
                self._sessions.pop(key, None)
                return self._farewell.say(body)
            held = self._studies.hold(body)
            return None if held is None else self._look(key, held)
        except Conflict:
            return 0.0  # Somebody was quicker: read again.

    def close(self) -> None:
        """Send what is still to be sent, and give the databases' connections back."""
        self.outbox.close(within=CLOSE_SECONDS)
        self._databases.close()

    def _look(self, key: Key, body: Document) -> float | None:
        before = _status(body)
        try:
            study = TTSStudy.from_manifest({name: part for name, part in body.items() if name != "status"})
        except ValidationError as error:
            message = "; ".join(str(complaint.finding) for complaint in complaints(error, body))
            self._write(body, self._invalid(body, before, message), before)
            return None
        if refusal := _only_on_one_machine(study.spec):
            self._write(body, self._invalid(body, before, refusal), before)
            return None
        try:
            session = self._session(key, study, self._databases.dsn(key.namespace, body["spec"]))
        except StorageUnavailable as error:
            self._write(body, self._without_storage(body, before, str(error)), before)
            raise
        except InvalidStudy as error:
            self._write(body, self._invalid(body, before, str(error)), before)
            return None
        wanted = study.metadata.annotations.get(names.ANNOTATION_RESET, "")
        if wanted and wanted != session.reset:
            return self._reset(key, session, wanted)
        return self._carry_on(key, body, study, session, before)

    def _carry_on(
        self, key: Key, body: Document, study: TTSStudy, session: Session, before: TTSStudyStatus
    ) -> float | None:
        session.cluster.follow(study.spec)
        self._give_secret(study, session)
        forgiven = _moment(study.metadata.annotations.get(names.ANNOTATION_RETRY, ""))
        status = before
        for _ in range(PASSES):
            outcome = session.reconciler.run_once(study, previous_status=status, forgive_before=forgiven)
            status = outcome.status
            session.pace = self._meters.passed(outcome, session.pace, self._clock.now())
            self._keep(session, outcome.events)
            if outcome.error is not None or not outcome.actions:
                break
        self._meters.looked(key, outcome)
        status = self._with_pages(study, session, status)
        if (
            _told(status) != _told(before)
            or self._monotonic() - session.written_at >= self._settings.live_status_seconds
        ):
            self._write(body, status, before)
            session.written_at = self._monotonic()
        session.notify(study.spec, status, self._clock.now())
        self._keep(session, session.notifier.failures(study.spec, self._clock.now()))
        session.untold = self._studies.tell(body, session.untold)
        if isinstance(outcome.error, TransientError):
            raise outcome.error
        # Those that run report into the storage, and why others do not start stands in events: neither wakes us.
        alive = any(not job.phase.ended for job in outcome.observed.jobs)
        if alive and outcome.requeue_after is not None:
            return min(outcome.requeue_after, self._settings.poll_seconds)
        return outcome.requeue_after

    def _with_pages(self, study: TTSStudy, session: Session, status: TTSStudyStatus) -> TTSStudyStatus:
        opened = _moment(study.metadata.annotations.get(names.ANNOTATION_OPEN, ""))
        seen, disabled = session.pages.keep(study.spec, opened)
        return described(
            status,
            seen,
            now=self._clock.now(),
            generation=study.metadata.generation,
            disabled=disabled,
        )

    def _keep(self, session: Session, events: Iterable[Event]) -> None:
        for event in session.keep(events, self._clock.now()):
            log.log(
                logging.WARNING if event.kind == "Warning" else logging.INFO,
                "%s: %s",
                event.reason.value,
                event.message,
                extra=_labels(event),
            )

    def _reset(self, key: Key, session: Session, token: str) -> float:
        """Begin anew: first no pod is left, then the rows are dropped, once."""
        if not session.cluster.delete_everything():
            return 1.0
        session.store.reset(token)
        self._sessions.pop(key, None)
        return 0.0

    def _session(self, key: Key, study: TTSStudy, dsn: str) -> Session:
        session = self._sessions.get(key)
        if session is None or session.uid != study.metadata.uid or session.dsn != dsn:
            notifier = cluster_notifier(self._api, study, self.outbox, self._settings.telegram_url)
            session = open_session(
                study,
                api=self._api,
                settings=self._settings,
                engine=self._databases.engine(dsn),
                dsn=dsn,
                clock=self._clock,
                timing=self._meters.timing,
                notifier=notifier,
                announcer=PodAnnouncer(study, notifier, self._clock, self._settings.telegram_url),
            )
            self._sessions[key] = session
        return session

    def _give_secret(self, study: TTSStudy, session: Session) -> None:
        if session.secret_given or study.spec.storage is not None:
            return
        reference = StudyKey(study.metadata.namespace, study.metadata.name, study.metadata.uid)
        secret = storage_secret(reference, self._settings.platform, self._settings.trial_storage_url)
        name = secret["metadata"]["name"]
        self._api.apply(f"{collection(reference.namespace, 'secrets')}/{name}", secret)
        session.secret_given = True

    def _write(self, body: Document, status: TTSStudyStatus, before: TTSStudyStatus) -> None:
        metadata = body["metadata"]
        self._meters.status(Key(metadata["namespace"], metadata["name"]), status)
        if status != before:
            metadata["resourceVersion"] = self._studies.write_status(body, status)["metadata"][
                "resourceVersion"
            ]

    def _invalid(self, body: Document, before: TTSStudyStatus, message: str) -> TTSStudyStatus:
        failed = before.model_copy(update={"phase": Phase.FAILED})
        return self._with_condition(failed, body, ConditionType.SUCCEEDED, Reason.INVALID_SPEC, message)

    def _without_storage(self, body: Document, before: TTSStudyStatus, message: str) -> TTSStudyStatus:
        return self._with_condition(before, body, ConditionType.STORAGE_READY, Reason.UNREACHABLE, message)

    def _with_condition(
        self, status: TTSStudyStatus, body: Document, kind: ConditionType, reason: Reason, message: str
    ) -> TTSStudyStatus:
        generation = body["metadata"].get("generation", 0)
        condition = Condition(
            type=kind,
            status="False",
            reason=reason,
            message=message[:1024],
            last_transition_time=self._clock.now(),
            observed_generation=generation,
        )
        conditions = set_condition(status.conditions, condition)
        return status.model_copy(update={"conditions": conditions, "observed_generation": generation})


def _only_on_one_machine(spec: TTSStudySpec) -> str:
    """What `tacotune run` can do and a cluster cannot; empty when there is nothing of it in the spec."""
    if spec.dataset.path is not None:
        return "spec.dataset.path is a folder of one machine: give persistentVolumeClaim, or speech"
    return ""


def _status(body: Document) -> TTSStudyStatus:
    """The status that stands there; an empty one where another version has written what we do not know."""
    try:
        return TTSStudyStatus.model_validate(body.get("status", {}))
    except ValidationError:
        return TTSStudyStatus()


def _told(status: TTSStudyStatus) -> Any:
    """What is worth a write at once: all but the numbers that grow by themselves."""
    document = status.model_dump(exclude={"gpu_seconds", "gpu_hours", "estimated_completion_time"})
    for trial in document["active"]:
        trial.pop("step", None)
    for condition in document["conditions"]:
        condition.pop("last_transition_time", None)
    return document


def _labels(event: Event) -> dict[str, Any]:
    """What a line about an event has besides its text."""
    found = {"reason": event.reason.value, "trial": event.trial, "attempt": event.attempt}
    return {name: value for name, value in found.items() if value is not None}


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
