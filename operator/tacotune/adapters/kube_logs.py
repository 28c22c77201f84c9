"""What a running pod said last, where nothing else tells that it makes progress."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from tacotune.adapters.kube_api import KubeApi, collection
from tacotune.api.names import CONTAINER
from tacotune.api.trial_contract import Progress
from tacotune.engine.observed import ObservedJob

_STEP: Final = re.compile(r"step\s+(\d+)/(\d+)")


def last_words(api: KubeApi, job: ObservedJob, pods: Sequence[Mapping[str, Any]]) -> ObservedJob:
    """The Job with the progress that the last line of its log shows: when it was written, and the step when it names one."""
    running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    if not running:
        return job
    metadata = running[-1]["metadata"]
    path = f"{collection(metadata['namespace'], 'pods')}/{metadata['name']}/log"
    text = api.text(path, container=CONTAINER, tailLines="1", timestamps="true")
    return replace(job, progress=parse(text, attempt=job.attempt) or job.progress)


def parse(line: str, *, attempt: int) -> Progress | None:
    """Progress from `2026-01-31T12:00:00.123456789Z step 25/60 …`; None when it has no time."""
    stamp, _, words = line.strip().partition(" ")
    try:
        written = datetime.fromisoformat(stamp[:19] + "+00:00")
    except ValueError:
        return None
    step = _STEP.search(words)
    return Progress(
        step=int(step[1]) if step else 0,
        total_steps=int(step[2]) if step else 0,
        updated_at=written.timestamp(),
        attempt=attempt,
        state="training" if step else "",
    )
