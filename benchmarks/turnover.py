"""How long slots of a study stand empty, what a trial costs beside its training, and what the operator costs itself.

    python benchmarks/turnover.py pretended                       # a real API server, pods pretended: one trial at a time
    python benchmarks/turnover.py pretended --studies 50 --parallelism 4 --trials 12 --seconds 60-120
    python benchmarks/turnover.py kind --parallelism 4            # real pods, paired with the same Jobs without a tuner
    python benchmarks/turnover.py first                           # from applying a study to its first trial's Job
    python benchmarks/turnover.py idle --studies 100              # memory and writes of an operator with studies at rest

The programs of the API server are built at the first use (`make test-cluster` builds them, too); `kind` needs `make kind-up`.
Latencies are taken at the watch events of the API server, which the operator gets at the same moment.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from measured.figures import spread
from measured.floor import Floor
from measured.grounds import OURS, Ground, kind, pretended
from measured.timeline import Span, Timeline, turnovers

from support.api_server import ApiServer
from support.eventually import eventually
from tacotune.api import names

SPEC: Mapping[str, Any] = {
    "searchSpace": [{"name": "learning_rate", "float": {"low": 1e-4, "high": 1e-2, "log": True}}],
    "sampler": {"name": "tpe", "seed": 1, "startupTrials": 5},
    "dataset": {"speech": {"utterances": 32, "validation": 4}},
    "checkpoints": {"volume": {"accessModes": ["ReadWriteOnce"], "size": "64Mi"}},
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", choices=["pretended", "kind", "first", "idle"])
    parser.add_argument("--studies", type=int, default=1)
    parser.add_argument("--parallelism", type=int, default=1, help="trials of a study at a time")
    parser.add_argument("--trials", type=int, default=40, help="of each study")
    parser.add_argument(
        "--seconds", default="1", help="that a trial takes: 1, or 60-120 for something between"
    )
    parser.add_argument(
        "--repeats", type=int, default=2, help="pairs of floor and tuner on kind; studies of `first`"
    )
    parser.add_argument("--within", type=float, default=540, help="give up after so many seconds")
    options = parser.parse_args()
    {"pretended": on_pretended, "kind": on_kind, "first": first, "idle": idle}[options.scenario](options)


def on_pretended(options: argparse.Namespace) -> None:
    """Turnover, and the operator's writes per trial in the first and the last quarter of the study."""
    with pretended(_seconds(options.seconds)) as ground, ground.namespace() as namespace:
        marks: list[Counter[str]] = []

        def passed(share: float, timeline: Timeline) -> None:
            wanted = share * options.studies * options.trials
            timeline.wait(lambda: _finished(timeline) >= wanted, options.within)
            assert ground.writes is not None
            marks.append(ground.writes())

        with Timeline(ground.api, OURS).watching() as timeline:
            for number in range(options.studies):
                _apply(ground, namespace, f"study-{number}", options)
            for share in (0.125, 0.25, 0.875, 1.0):
                passed(share, timeline)
        spans = [timeline.of(namespace, f"study-{number}") for number in range(options.studies)]
        _tell(spans, options.parallelism)
        quarter = options.studies * options.trials / 8
        for name, before, after in (("second eighth", 0, 1), ("last eighth", 2, 3)):
            made = marks[after] - marks[before]
            print(
                f"writes per trial, {name:14} {made.total() / quarter:5.2f}  (limit 10)  {_each(made, quarter)}"
            )
        print(f"operator memory               {ground.memory():.0f} MiB")


def on_kind(options: argparse.Namespace) -> None:
    """The tuner and the floor in turn, with real pods."""
    with kind(float(options.seconds)) as ground, ground.namespace() as namespace:
        floors, tuners = [], []
        for repeat in range(options.repeats):
            with Timeline(ground.api, OURS).watching() as timeline:
                name = f"study-{repeat}"
                _apply(ground, namespace, name, options)
                timeline.wait(lambda: len(timeline.spans) > 0, options.within)
                first_job = ground.api.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}-0-1")
                config = ground.api.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}-0-1")
                timeline.wait(lambda: _finished(timeline) >= options.trials, options.within)
            spans = timeline.of(namespace, name)
            tuners.append(_per_trial(spans, options.parallelism))
            _tell([spans], options.parallelism)
            floor = Floor(ground.api, namespace, first_job, config)
            spans = floor.run(options.trials, options.parallelism, options.within)
            floors.append(_per_trial(spans, options.parallelism))
            print(
                f"floor: Job terminal -> next Job   {spread(turnovers(spans, options.parallelism, _terminal))}"
            )
            print(
                f"time per trial                    tuner {tuners[-1]:.3f} s, floor {floors[-1]:.3f} s, "
                f"ratio {tuners[-1] / floors[-1]:.3f}"
            )
        ratio = sum(tuners) / sum(floors)
        print(
            f"time per trial, all pairs         ratio {ratio:.3f} (limit {1.05 if options.parallelism == 1 else 1.1})"
        )
        print(f"operator memory                   {ground.memory():.0f} MiB")


def first(options: argparse.Namespace) -> None:
    """Studies one after another under one name: each finds its dataset prepared on the volume that the last one left."""
    with pretended(lambda: 0.0) as ground, ground.namespace() as namespace:
        waits = []
        for _ in range(max(options.repeats, 2)):
            with Timeline(ground.api, OURS).watching() as timeline:
                applied = _apply(ground, namespace, "study", argparse.Namespace(trials=1, parallelism=1))
                timeline.wait(lambda: _finished(timeline) >= 1, options.within)
            (span,) = timeline.of(namespace, "study")
            waits.append(span.created - applied)
            _leave(ground.api, f"/apis/{names.API_VERSION}/namespaces/{namespace}/ttsstudies/study")
        print(f"with its preparation                      {waits[0]:.3f} s")
        print(f"applied -> first Job, dataset prepared    {spread(waits[1:])}  (limit p50 0.5)")


def _leave(api: ApiServer, path: str) -> None:
    """Delete a study when it has ended, and wait until nothing is left of it but its volume."""
    eventually(lambda: api.get(path).get("status", {}).get("phase") == "Succeeded", within=60)
    api.request("DELETE", path)
    # The Job controller mistakes a Job that comes too soon after one of its name.
    left = ("/apis/batch/v1/jobs", "/api/v1/pods", f"/apis/{names.API_VERSION}/ttsstudies")
    eventually(lambda: not any(api.get(kind)["items"] for kind in left), within=60)


def idle(options: argparse.Namespace) -> None:
    """Studies that have ended, and what the operator does about them in two minutes."""
    with pretended(lambda: 0.0) as ground, ground.namespace() as namespace:
        with Timeline(ground.api, OURS).watching() as timeline:
            for number in range(options.studies):
                _apply(ground, namespace, f"study-{number}", argparse.Namespace(trials=3, parallelism=1))
            timeline.wait(lambda: _finished(timeline) >= 3 * options.studies, options.within)
        time.sleep(30)
        assert ground.writes is not None
        before = ground.writes()
        time.sleep(130)
        made = ground.writes() - before
        print(
            f"{options.studies} studies at rest for 130 s: {made.total()} writes (limit 0) {_each(made, 1)}"
        )
        print(f"operator memory with {options.studies} studies: {ground.memory():.0f} MiB (limit 250)")


def _apply(ground: Ground, namespace: str, name: str, options: argparse.Namespace) -> float:
    """Apply a study; the moment just before."""
    trials = {"maxTrials": options.trials, "parallelism": options.parallelism}
    body = {
        "apiVersion": "tacotune.dev/v1alpha1",
        "kind": "TTSStudy",
        "metadata": {"name": name},
        "spec": {**SPEC, "trainer": ground.trainer, **trials},
    }
    now = time.monotonic()
    made = ground.api.create(body, namespace)
    assert made.ok, made.body
    return now


def _tell(studies: list[list[Span]], parallelism: int) -> None:
    for title, end in (("pod ended", _pod_ended), ("Job terminal", _terminal)):
        waits = [wait for spans in studies for wait in turnovers(spans, parallelism, end)]
        print(f"tuner: {title + ' -> next Job':26} {spread(waits)}")


def _pod_ended(span: Span) -> float | None:
    return span.pod_ended


def _terminal(span: Span) -> float | None:
    return span.terminal


def _finished(timeline: Timeline) -> int:
    return sum(span.finished is not None for span in timeline.spans.values())


def _per_trial(spans: list[Span], parallelism: int) -> float:
    """Seconds from one Job's creation to the next one's, a full house on either side; how the last ones end does not matter."""
    return (spans[-1].created - spans[parallelism - 1].created) / (len(spans) - parallelism)


def _each(counts: Counter[str], by: float) -> str:
    return ", ".join(f"{what} {count / by:.2f}" for what, count in counts.most_common())


def _seconds(text: str) -> Callable[[], float]:
    low, _, high = text.partition("-")
    generator = random.Random(1)
    return lambda: generator.uniform(float(low), float(high or low))


if __name__ == "__main__":
    main()
