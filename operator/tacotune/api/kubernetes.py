"""The parts of a TTSStudy that say where things run and lie: dataset, trainer, volumes, storage, dashboards, notifications."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tacotune.api.base import ApiModel

Language = Literal["en", "ru"]
ObjectName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""Of a Kubernetes object: what is no name would only be refused when a pod is made of it."""


class SecretKey(ApiModel):
    """A key of a Secret in the study's namespace."""

    name: ObjectName
    key: str = Field(default="uri", max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")


class VolumeClaim(ApiModel):
    """An existing PersistentVolumeClaim."""

    claim_name: ObjectName
    sub_path: str = Field(default="", max_length=1024)


class SpeechCorpus(ApiModel):
    """A small corpus spoken by espeak-ng: for demos and tests, with true word timings."""

    utterances: int = Field(default=400, ge=16, le=20_000)
    validation: int = Field(default=32, ge=4, le=1000)
    rate: int = Field(default=250, ge=80, le=450)
    """Words a minute."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)


class DatasetSpec(ApiModel):
    """LJSpeech layout (`wavs/`, `metadata.csv`) on a claim or in a local folder, or speech made by espeak-ng."""

    language: Language = "en"
    phonemes: bool = False
    """Train on espeak-ng phonemes instead of letters."""
    skip_bad: bool = False
    """Leave unusable files out instead of refusing the dataset."""
    persistent_volume_claim: VolumeClaim | None = None
    path: str | None = Field(default=None, max_length=4096)
    """A folder of this machine, relative to the manifest; `tacotune run` only."""
    speech: SpeechCorpus | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [
            name
            for name, value in (
                ("persistentVolumeClaim", self.persistent_volume_claim),
                ("path", self.path),
                ("speech", self.speech),
            )
            if value is not None
        ]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of persistentVolumeClaim, path, speech is needed, found {', '.join(given) or 'none'}"
            )
        return self


class TrainerSpec(ApiModel):
    """How an attempt runs."""

    image: str = Field(default="", max_length=1024, pattern=r"^\S*$")
    """The chart's default when empty; unused on one machine."""
    preset: Literal["tiny", "small", "base"] = "base"
    resources: dict[Literal["limits", "requests"], dict[str, Any]] = Field(default_factory=dict)
    pod_template: dict[str, Any] | None = None
    """Merged strategically into each attempt's pod."""
    workers: int = Field(default=1, ge=1, le=64)
    """Pods that train one trial together, a process for each of their GPUs; `batch_size` is that of all of them."""
    queue_name: str = Field(default="", max_length=63, pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$")
    """Kueue's LocalQueue."""
    device: str = Field(default="auto", max_length=16, pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1, le=256)
    """CPU threads of one attempt; what its cgroup allows when absent."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Every trial of a study starts from this seed, so trials differ by their parameters alone."""


AccessMode = Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]


def _read_write_many() -> list[AccessMode]:
    return ["ReadWriteMany"]


class VolumeSpec(ApiModel):
    """Volume of checkpoints, samples and the prepared dataset."""

    storage_class_name: str | None = Field(
        default=None, max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
    )
    """The cluster's default when absent; empty for a volume that is there already."""
    access_modes: list[AccessMode] = Field(default_factory=_read_write_many, min_length=1, max_length=3)
    size: str = Field(
        default="20Gi", max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"
    )


class CheckpointSpec(ApiModel):
    """How often to save, how many to keep, and where."""

    every_steps: int = Field(default=500, ge=1)
    keep: int = Field(default=2, ge=1, le=100)
    volume: VolumeSpec = Field(default_factory=VolumeSpec)


class StorageSpec(ApiModel):
    """Postgres that holds the study's rows."""

    secret_ref: SecretKey


Port = Annotated[int, Field(ge=1, le=65_535)]


class DashboardSpec(ApiModel):
    """One dashboard."""

    enabled: bool = True
    port: Port


class DashboardsSpec(ApiModel):
    """MLflow, TensorBoard, Optuna Dashboard, demo."""

    mlflow: DashboardSpec = Field(default_factory=lambda: DashboardSpec(port=5000))
    tensorboard: DashboardSpec = Field(default_factory=lambda: DashboardSpec(port=5001))
    optuna: DashboardSpec = Field(default_factory=lambda: DashboardSpec(port=5002))
    demo: DashboardSpec = Field(default_factory=lambda: DashboardSpec(port=5003))
    idle_after_seconds: int | None = Field(default=None, ge=60)

    @model_validator(mode="before")
    @classmethod
    def _default_ports(cls, data: Any) -> Any:
        """`{mlflow: {enabled: false}}` needs no port."""
        ports = {"mlflow": 5000, "tensorboard": 5001, "optuna": 5002, "demo": 5003}
        if not isinstance(data, dict):
            return data
        return {
            key: {"port": ports[key], **value} if key in ports and isinstance(value, dict) else value
            for key, value in data.items()
        }

    @model_validator(mode="after")
    def _unequal_ports(self) -> Self:
        ports = [d.port for d in (self.mlflow, self.tensorboard, self.optuna, self.demo) if d.enabled]
        if len(set(ports)) != len(ports):
            raise ValueError(f"two dashboards share a port: {ports}")
        return self


EventName = Literal[
    "StudyStarted",
    "TrialFinished",
    "NewBest",
    "TrialFailed",
    "TrialRetry",
    "ResourceAlarm",
    "StorageLost",
    "StorageBack",
    "StudyFinished",
]


class TokenKey(SecretKey):
    """A key of a Secret in the study's namespace, under which a token lies."""

    key: str = Field(default="token", max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")


class TelegramSpec(ApiModel):
    """A Telegram chat; the bot's token lies in a Secret."""

    secret_ref: TokenKey
    chat_id: str = Field(min_length=1, max_length=64)
    """A number, or `@channel`."""
    events: list[EventName] = Field(default_factory=list, max_length=16)
    """All when empty."""
    cooldown_seconds: int = Field(default=300, ge=0)


class AppriseSpec(ApiModel):
    """Any service Apprise knows; the URL lies in a Secret."""

    secret_ref: SecretKey
    events: list[EventName] = Field(default_factory=list, max_length=16)
    cooldown_seconds: int = Field(default=300, ge=0)


class NotificationsSpec(ApiModel):
    """Who is told."""

    telegram: TelegramSpec | None = None
    apprise: AppriseSpec | None = None
