"""Which snapshot of a study a trial runs under: a hash of everything that reaches it."""

import hashlib
import json
from typing import Any, Final

from tacotune.api.study import TTSStudySpec

_NOT_FOR_TRIALS: Final[dict[str, Any]] = {
    # what is searched and how: a trial gets values, not ranges
    "search_space": True,
    "sampler": True,
    "pruner": True,
    "initial_trials": True,
    # budgets and life cycle
    "max_trials": True,
    "parallelism": True,
    "max_failed_trials": True,
    "active_deadline_seconds": True,
    "gpu_hours": True,
    "goal": True,
    "no_improvement_trials": True,
    "on_finish": True,
    "suspend": True,
    "retry": True,
    "stall_timeout_seconds": True,
    "final_training": True,
    "deletion_policy": True,
    # where it runs and who is told: may change between two attempts of one trial
    "storage": True,
    "dashboards": True,
    "notifications": True,
    "trainer": {"image", "resources", "pod_template", "queue_name", "device", "threads"},
    "checkpoints": {"volume"},
}


def spec_hash(spec: TTSStudySpec) -> str:
    """`sha256:…` of the part of a spec that reaches a trial; a field added later counts unless it is named above."""
    document = spec.model_dump(mode="json", by_alias=True, exclude=_NOT_FOR_TRIALS)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
