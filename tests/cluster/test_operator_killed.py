"""S6: kill -9 between any two actions. The operator dies after every single write, and its next life goes on from there."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.api_proxy import ApiProxy, Call
from support.api_server import ApiServer, Object
from support.builders import spec_of
from support.cluster_study import SPEC, ClusterStudy, complete, failed
from support.operator_process import RestartedOperator
from support.postgres_relay import PostgresRelay
from support.pretend_kubelet import Ending, PretendKubelet
from support.stores import engine_on, run_trials, store_on, trials_in

TWO = {"maxTrials": 2, "parallelism": 1, "retry": {"backoff": {"initialSeconds": 0.1, "maxSeconds": 0.2}}}
SECONDS = 280
"""For all its lives together, on a busy machine."""
Way = Callable[["Deaths", ApiServer, Path, str, Path], contextlib.AbstractContextManager[tuple[Path, str]]]
"""Puts something deadly between the operator and the world: its kubeconfig and its DSN then."""


class Deaths:
    """When the operator dies: after each write, the first time that it is seen. Its answer is lost."""

    def __init__(self) -> None:
        self.kill: Callable[[], None] = lambda: None
        self.seen: list[str] = []

    def __call__(self, write: str) -> bool:
        if write in self.seen:
            return False
        self.seen.append(write)
        self.kill()
        return True


@contextlib.contextmanager
def calls_of_the_api_server(
    deaths: Deaths, api: ApiServer, kubeconfig: Path, dsn: str, folder: Path
) -> Iterator[tuple[Path, str]]:
    def after(call: Call) -> bool:
        # Nothing follows from what was told: its loss is the price of telling nothing twice.
        return call.kind != "events" and deaths(f"{call.method} {call.path} {call.body.decode()}")

    with ApiProxy(api, folder) as proxy:
        proxy.after = after
        yield proxy.kubeconfig, dsn
    made = [call.name for call in proxy.calls if call.kind == "jobs" and call.status == 201]
    assert len(made) == len(set(made)), "a Job was made again"


@contextlib.contextmanager
def transactions_of_the_database(
    deaths: Deaths, api: ApiServer, kubeconfig: Path, dsn: str, folder: Path
) -> Iterator[tuple[Path, str]]:
    with engine_on(dsn) as engine:
        assert engine.storage, "the tables are the migration's business, not the operator's"
    with PostgresRelay(dsn, folder) as relay:
        relay.after = lambda statements: deaths(statements.decode())
        yield kubeconfig, relay.dsn


@pytest.mark.parametrize(
    ("way", "fewest"), [(calls_of_the_api_server, 20), (transactions_of_the_database, 10)]
)
def test_s6_an_operator_that_dies_after_every_write_loses_and_doubles_nothing(
    way: Way,
    fewest: int,
    study: ClusterStudy,
    kubelet: PretendKubelet,
    api: ApiServer,
    kubeconfig: Path,
    postgres_dsn: str,
    tmp_path: Path,
) -> None:
    deaths = Deaths()
    started: list[tuple[int, int]] = []

    def train(document: Object) -> Ending:
        started.append((document["trial"], document["attempt"]))
        return failed(1, "boom") if started[-1] == (0, 1) else complete(document)

    study.create(**TWO)
    with (
        way(deaths, api, kubeconfig, postgres_dsn, tmp_path) as (config, dsn),
        RestartedOperator(config, dsn, tmp_path / "operator.log", "-n", study.namespace) as operator,
        kubelet.running_all(study.trains(train)),
    ):
        deaths.kill = operator.kill
        status = study.reaches("Succeeded", SECONDS)
        deaths.kill = lambda: None
        study.let_go()
    assert len(deaths.seen) >= fewest, deaths.seen
    assert started == [(0, 1), (0, 2), (1, 1)]
    assert (status["progress"], status["attempts"], status["disruptions"]) == ("2/2", 4, 0)
    assert trials_in(postgres_dsn) == 2
    assert status["best"]["value"] == undisturbed(postgres_dsn)


def undisturbed(dsn: str) -> float:
    """The best value of the same study when nobody dies."""
    with engine_on(dsn) as engine:
        store = store_on(engine, spec_of(**(SPEC | TWO)))
        asked = run_trials(store, [0, 1], lambda parameters: float(parameters["learning_rate"]))
    return min(float(parameters["learning_rate"]) for parameters in asked)
