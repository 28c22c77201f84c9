"""How the operator notifies: secrets from the study's namespace, no files, for the volume is the pods'. Called by `passes`."""

from tacotune.adapters.channels import open_channel
from tacotune.adapters.kube_api import KubeApi
from tacotune.adapters.kube_secrets import from_cluster
from tacotune.adapters.notifier import Notifier
from tacotune.adapters.outbox import Outbox
from tacotune.api.study import TTSStudy, TTSStudySpec
from tacotune.ports import Channel


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
