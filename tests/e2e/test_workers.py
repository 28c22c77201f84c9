"""One trial on two workers: an Indexed Job and a Service that makes its pods meet, on the CPU."""

import json

from support.kind_study import KindStudy


def test_two_workers_train_one_trial(study: KindStudy) -> None:
    workers = {
        "preset": "tiny",
        "threads": 1,
        "workers": 2,
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
    }
    status = study.create(maxTrials=1, parallelism=1, trainer=workers).ends()
    assert (status["trials"]["succeeded"], status["recentFailures"]) == (1, [])
    chosen = "reason=SuccessfulCreate,involvedObject.name=tiny-0-1"
    events = json.loads(study.namespace.kubectl("get", "events", "--field-selector", chosen, "-o", "json"))[
        "items"
    ]
    # `Created pod: <job>-<index>-<suffix>`
    indices = sorted(event["message"].removeprefix("Created pod: tiny-0-1-")[0] for event in events)
    assert indices == ["0", "1"]
