"""A study's runs in MLflow: one for the study and one below it for each trial. Written by `mirror`, and by nobody else.

Runs are known by their tags, so that they are found again by a mirror that begins anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from tacotrain.dashboards.mirror_source import Point, TrialFacts, TrialFiles

ROLE: Final = "tacotune.role"
TRIAL: Final = "tacotune.trial"
STUDY: Final = "tacotune.study"
_BATCH: Final = 900
"""MLflow takes 1000 numbers in a request."""
_PARAMETERS: Final = 90
_MAX_VALUE: Final = 5900
"""Characters of a parameter."""

# Or the page would open with charts about language models instead of the runs.
_KIND: Final = MappingProxyType({"mlflow.experimentKind": "custom_model_development"})


class Runs:
    """The experiment that has a study's name.

    Args:
        uri: Of the tracking server.
        study: The study's name, which no other study has.
    """

    def __init__(self, uri: str, study: str) -> None:
        self._client = MlflowClient(tracking_uri=uri)
        self._study = study
        self._experiment = ""
        self._parent = ""
        self._runs: dict[int, str] = {}
        self._kept: set[tuple[str, str]] = set()

    @property
    def experiment(self) -> str:
        """Its id; empty before anything was written."""
        return self._experiment

    def trial(self, facts: TrialFacts) -> str:
        """The id of a trial's run, made if there is none."""
        self._open()
        if facts.number not in self._runs:
            self._runs[facts.number] = self._create(
                f"trial {facts.number}",
                {ROLE: "trial", TRIAL: str(facts.number), "mlflow.parentRunId": self._parent},
                None if facts.started is None else int(facts.started.timestamp() * 1000),
            )
        return self._runs[facts.number]

    def write(
        self, run: str, *, parameters: Mapping[str, object], tags: Mapping[str, str], points: Iterable[Point]
    ) -> None:
        """Log; what is there already stays."""
        params = [Param(name, str(value)[:_MAX_VALUE]) for name, value in parameters.items()]
        for some in _chunks(params, _PARAMETERS):
            self._client.log_batch(run, params=some)
        if tags:
            some_tags = [RunTag(name, value) for name, value in tags.items()][:_PARAMETERS]
            self._client.log_batch(run, tags=some_tags)
        metrics = [Metric(point.name, point.value, point.milliseconds, point.step) for point in points]
        for batch in _chunks(metrics, _BATCH):
            self._client.log_batch(run, metrics=batch)

    def keep(self, run: str, files: TrialFiles) -> None:
        """Add what can be seen and heard, the result and the checkpoint's metadata; each file once."""
        for shelf, path in files.media:
            if (place := (run, f"{shelf}/{path.name}")) not in self._kept:
                self._client.log_artifact(run, str(path), shelf)
                self._kept.add(place)
        for name, found in (("result.json", files.result), ("checkpoint.json", files.checkpoint)):
            if found is not None and (run, name) not in self._kept:
                self._client.log_dict(run, dict(found), name)
                self._kept.add((run, name))

    def end(self, run: str, status: str, milliseconds: int | None) -> None:
        """Give a run its status."""
        self._client.set_terminated(run, status, milliseconds)
        self._kept = {place for place in self._kept if place[0] != run}

    def summarize(self, points: Sequence[Point], tags: Mapping[str, str], *, running: bool) -> None:
        """Write the study's own run."""
        self._open()
        self.write(self._parent, parameters={}, tags=tags, points=points)
        if running:
            self._client.update_run(self._parent, status="RUNNING")
        else:
            self._client.set_terminated(self._parent, "FINISHED")

    def _open(self) -> None:
        """Find the experiment and its runs, or begin them."""
        if self._parent:
            return
        found = self._client.get_experiment_by_name(self._study)
        self._experiment = (
            self._client.create_experiment(self._study, tags=dict(_KIND))
            if found is None
            else found.experiment_id
        )
        parent = ""
        for run in self._all():
            if run.data.tags.get(ROLE) == "study":
                parent = run.info.run_id
            elif (number := run.data.tags.get(TRIAL, "")).isdigit():
                self._runs[int(number)] = run.info.run_id
        self._parent = parent or self._create(self._study, {ROLE: "study", STUDY: self._study}, None)

    def _all(self) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{ROLE}` != ''", max_results=500, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create(self, name: str, tags: dict[str, str], started: int | None) -> str:
        run = self._client.create_run(self._experiment, start_time=started, tags=tags, run_name=name)
        return str(run.info.run_id)


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
