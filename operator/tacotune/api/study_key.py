"""Which study is meant, once it stands on a cluster or in a run's folder; everything that belongs to it is found by this."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StudyKey:
    """A TTSStudy and its uid: one that is made anew under the same name is another one."""

    namespace: str
    name: str
    uid: str

    @property
    def storage_name(self) -> str:
        """Name of the study in Optuna's storage: `<namespace>.<name>.<uid8>`."""
        return f"{self.namespace}.{self.name}.{self.uid[:8]}"
