"""How the operator notifies: in words, with secrets from the study's namespace. Called by `passes`.

Picture and voice lie on the study's volume, which only its pods can read: the pod that publishes a voice shows it.
"""

from tacotune.adapters.channels import open_channel
from tacotune.adapters.kube_api import KubeApi
from tacotune.adapters.kube_secrets import from_cluster
from tacotune.adapters.notifier import Notifier
from tacotune.adapters.outbox import Outbox
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.engine.actions import PromoteBest
from tacotune.engine.observed import Purpose
from tacotune.manifests.publish_job import Announcement
from tacotune.ports import Channel, Clock


def cluster_notifier(api: KubeApi, study: TTSStudy, outbox: Outbox, telegram_url: str) -> Notifier:
    """The notifier of a study in a cluster."""
    metadata = study.metadata
    namespace, name = metadata.namespace, metadata.name
    secrets = from_cluster(api, namespace)

    def connect(channel: str, spec: TTSStudySpec) -> Channel:
        return open_channel(channel, spec, secrets, telegram_url=telegram_url, sleep=outbox.sleep)

    return Notifier(
        metadata.uid,
        f"{namespace}/{name}",
        outbox,
        connect,
        voice_at=f"kubectl tacotune export {name} -n {namespace} -o voice/",
    )


class PodAnnouncer:
    """Has the pod that publishes a voice show it to the study's Telegram chat; an `adapters.kube_publication.Announcer`."""

    def __init__(self, study: TTSStudy, notifier: Notifier, clock: Clock, telegram_url: str) -> None:
        self._title = f"{study.metadata.namespace}/{study.metadata.name}"
        self._notifier = notifier
        self._clock = clock
        self._telegram_url = telegram_url

    def announcement(self, spec: TTSStudySpec, voice: PromoteBest) -> Announcement | None:
        """The chat, when it wants new bests and nothing of the kind was sent just now."""
        telegram = spec.notifications.telegram if spec.notifications is not None else None
        # Published again, for its page alone: the chat has seen that voice.
        if (
            telegram is None
            or voice.again
            or not self._notifier.files_due(spec, "telegram", self._clock.now())
        ):
            return None
        which = "final training" if voice.purpose is Purpose.FINAL else f"trial {voice.trial}"
        return Announcement(
            telegram.secret_ref, telegram.chat_id, f"{self._title}: {which}", self._telegram_url
        )

    def lost(self, reason: str) -> None:
        """The pod did not reach the chat."""
        self._notifier.lost("telegram", reason)
