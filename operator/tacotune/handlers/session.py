"""What the operator keeps of a study between passes: its ports, and when its status was last written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tacotune.adapters.kube_api import KubeApi
from tacotune.adapters.kube_dashboards import KubeDashboards
from tacotune.adapters.kube_publication import Announcer
from tacotune.adapters.kubernetes import KubernetesCluster
from tacotune.adapters.notifier import Notifier
from tacotune.adapters.optuna_engine import OptunaEngine
from tacotune.adapters.optuna_store import OptunaStore
from tacotune.adapters.timed_store import TimedStore, Timing
from tacotune.api.status import TTSStudyStatus
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.api.study_key import StudyKey
from tacotune.controller.reconcile import Reconciler
from tacotune.engine.events import Event
from tacotune.engine.measures import Pace
from tacotune.handlers.settings import OperatorSettings
from tacotune.ports import Clock


@dataclass(slots=True)
class Session:
    """Ports of one study; nothing in it would be missed after a restart."""

    uid: str
    reset: str
    """Token of the reset under which its trials were asked."""
    dsn: str
    store: OptunaStore
    cluster: KubernetesCluster
    reconciler: Reconciler
    pages: KubeDashboards
    notifier: Notifier
    secret_given: bool = False
    """Whether this process has put the trials' DSN beside the study."""
    written_at: float = 0.0
    """Monotonic seconds of the last status write."""
    untold: dict[Event, datetime] = field(default_factory=dict)
    """When it happened: events of passes whose status could not be written, or that the API server did not answer to."""
    pace: Pace = field(default_factory=Pace)
    """What the last pass left for the measures of the next."""

    unsent: list[Event] = field(default_factory=list)
    """Events that nobody was notified of yet: only what stands in a written status is told."""

    def keep(self, events: Iterable[Event], now: datetime) -> list[Event]:
        """Keep events until the status is written; those that are new.

        A pass whose status was not written is made again from the same status, and sees the same changes once more.
        """
        new = [event for event in events if event not in self.untold]
        self.untold |= dict.fromkeys(new, now)
        self.unsent += new
        return new

    def notify(self, spec: TTSStudySpec, status: TTSStudyStatus, now: datetime) -> None:
        """Send messages about what was kept; after the status was written."""
        self.notifier.tell(spec, self.unsent, status, now)
        self.unsent.clear()


def open_session(
    study: TTSStudy,
    *,
    api: KubeApi,
    settings: OperatorSettings,
    engine: OptunaEngine,
    dsn: str,
    clock: Clock,
    timing: Timing,
    notifier: Notifier,
    announcer: Announcer,
) -> Session:
    """Connect a study's ports; `timing` is told how long calls of the storage take.

    Raises:
        StorageUnavailable: Whether the study was reset stands in the storage, which does not answer.
        InvalidStudy: The stored study is another one.
    """
    metadata = study.metadata
    key = StudyKey(metadata.namespace, metadata.name, metadata.uid)
    store = OptunaStore(engine, key, clock)
    store.open(study.spec)
    reset = store.reset_token()
    platform = settings.platform
    cluster = KubernetesCluster(api, key, platform, reset=reset, announcer=announcer)
    pages = KubeDashboards(
        api,
        cluster.view,
        key,
        platform=platform,
        settings=settings.pages,
        directory=cluster.directory,
    )
    reconciler = Reconciler(TimedStore(store, timing), cluster, clock)
    return Session(metadata.uid, reset, dsn, store, cluster, reconciler, pages, notifier)
