"""A real Prometheus scrapes a running operator: the dashboard's queries and the alerts are about series that there are."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_server import Object
from support.chart import CHART, Chart, one
from support.cluster_study import SECONDS, ClusterStudy, complete, failed
from support.eventually import eventually
from support.guarded import free_ports
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet
from support.prometheus import Prometheus, programs, promtool
from tacotrain.exposition import Exposition
from tacotrain.monitor import Usage
from tacotune.api.names import METRICS_PORT, METRICS_PORT_NAME

RULES = CHART / "files" / "rules.yaml"
DASHBOARD: Object = json.loads((CHART / "files" / "dashboard.json").read_text())
DOCUMENTATION = CHART.parents[1] / "docs" / "monitoring.md"
VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$study": ".*"}
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
- job_name: operator
  honor_labels: true
  static_configs: [{{targets: ["127.0.0.1:{operator}"]}}]
- job_name: trials
  static_configs:
  - targets: ["127.0.0.1:{trial}"]
    labels: {{namespace: {namespace}, study: demo, trial: "0", attempt: "1"}}
"""


@pytest.fixture(scope="session")
def prometheus_programs() -> Path:
    return programs()


@pytest.fixture
def trial() -> Iterator[Exposition]:
    """A trainer's numbers, without the training."""
    made = Exposition(0, gpu=lambda: Usage("gpu_memory", 2**30, 2**34))
    made.scalars(
        10,
        {
            "loss/loss": 2.5,
            "evaluation/val_loss": 2.75,
            "training/frames_per_second": 9000.0,
            "training/learning_rate": 1e-3,
            "training/gradient_norm": 0.5,
        },
    )
    yield made
    made.close("complete")


@pytest.fixture
def watched(
    study: ClusterStudy,
    trial: Exposition,
    kubeconfig: Path,
    postgres_dsn: str,
    prometheus_programs: Path,
    tmp_path: Path,
) -> Iterator[Prometheus]:
    """A Prometheus that looks at the operator of the test's namespace, each second."""
    (port,) = free_ports(1)
    config = tmp_path / "prometheus.yml"
    config.write_text(
        CONFIG.format(rules=RULES, operator=port, trial=trial.port, namespace=study.namespace), "utf-8"
    )
    options = ("-n", study.namespace, "--metrics-port", str(port))
    with (
        Operator(kubeconfig, postgres_dsn, tmp_path / "operator.log", *options),
        Prometheus(prometheus_programs, config, tmp_path) as prometheus,
    ):
        yield prometheus
        study.let_go()


def queries() -> Iterator[tuple[str, str]]:
    """Title and query of every panel, with Grafana's variables filled in."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression: str = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def documented() -> set[str]:
    """Every series that docs/monitoring.md names."""
    return set(re.findall(r"`(taco(?:tune|train)_\w+)", DOCUMENTATION.read_text("utf-8")))


def one_fails(document: Object) -> Ending:
    """Trial 0 is tried twice, trial 2 runs for as long as the test looks."""
    if document["trial"] == 0 and document["attempt"] == 1:
        return failed(1, "crashed")
    return complete(document, seconds=3600 if document["trial"] == 2 else 0)


def test_every_query_of_the_dashboard_shows_a_running_study(
    study: ClusterStudy, kubelet: PretendKubelet, watched: Prometheus
) -> None:
    study.create()

    def numbers(expression: str) -> list[float]:
        return [value for _, value in watched.query(expression)]

    def shown(expression: str) -> bool:
        return any(not math.isnan(value) for value in numbers(expression))

    def missing() -> set[str]:
        return {name for name in documented() if not watched.query(f'{{__name__=~"{name}|{name}_count"}}')}

    with kubelet.running_all(study.trains(one_fails)):
        eventually(lambda: study.status.get("progress") == "2/3", within=SECONDS)
        asked = dict.fromkeys(queries())
        assert len(asked) > 30
        for title, expression in asked:
            try:
                eventually(lambda e=expression: shown(e), within=SECONDS, every=0.5)
            except AssertionError:
                pytest.fail(f"panel {title!r} shows nothing: {expression}")
        here = f'namespace="{study.namespace}",study="demo"'
        for expression, value in (
            (f'tacotune_trials{{{here},state="running"}}', 1),
            (f'tacotune_trials{{{here},state="succeeded"}}', 2),
            (f'tacotune_attempts_total{{{here},cause="Transient"}}', 1),
            (f"tacotune_retries_total{{{here}}}", 1),
            (f"tacotune_study_storage_ready{{{here}}}", 1),
            (f'tacotune_study_phase{{{here},phase="Running"}}', 1),
            ("sum(tacotune_turnover_seconds_count)", 1),
            ("tacotune_leader", 1),
        ):
            wanted = [value]
            # The last scrape may be older than the status.
            eventually(lambda e=expression, w=wanted: numbers(e) == w, within=SECONDS, every=0.5)
        assert watched.query("tacotune_ask_seconds_count >= 3")
        assert missing() == set(), "documented, and not there"
    # Nothing of a study that is gone is left.
    study.let_go()
    eventually(lambda: not watched.query(f"{{{here}, __name__=~'tacotune_.*'}}"), within=SECONDS)


def test_every_rule_can_be_evaluated(
    study: ClusterStudy, kubelet: PretendKubelet, watched: Prometheus
) -> None:
    study.create(maxTrials=1, parallelism=1)
    with kubelet.running_all(study.trains()):
        study.reaches("Succeeded")

    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in watched.rules())

    eventually(evaluated, within=SECONDS)
    rules = watched.rules()
    assert len(rules) > 5
    assert {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] != "ok"} == {}
    for rule in rules:
        watched.query(rule["query"])
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == [], "a study that went well"


def test_promtool_finds_nothing_wrong_with_the_rules(prometheus_programs: Path) -> None:
    assert "SUCCESS" in promtool(prometheus_programs, "check", "rules", str(RULES))


def test_each_alert_comes_when_it_should(prometheus_programs: Path) -> None:
    cases = Path(__file__).with_name("alerts.yaml")
    assert "SUCCESS" in promtool(prometheus_programs, "test", "rules", str(cases))


def test_the_pod_monitor_finds_the_pods_of_trials_and_names_them(
    study: ClusterStudy, kubelet: PretendKubelet, operator: Operator, chart: Chart
) -> None:
    study.create(maxTrials=1, parallelism=1)
    prepare = kubelet.pod("demo-prepare-1")["metadata"]["labels"]
    kubelet.finish("demo-prepare-1")
    pod = kubelet.pod("demo-0-1")
    spec = one(chart.render({"metrics": {"podMonitor": {"enabled": True}}}), "PodMonitor")["spec"]
    labels: dict[str, str] = pod["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    (purposes,) = spec["selector"]["matchExpressions"]
    assert labels[purposes["key"]] in purposes["values"]
    assert prepare[purposes["key"]] not in purposes["values"], "it serves nothing"
    (endpoint,) = spec["podMetricsEndpoints"]
    (container,) = pod["spec"]["containers"]
    (port,) = [p["containerPort"] for p in container["ports"] if p["name"] == endpoint["port"]]
    assert endpoint["port"] == METRICS_PORT_NAME
    assert {"name": METRICS_PORT, "value": str(port)} in container["env"]
    found = {f"__meta_kubernetes_pod_label_{re.sub('[^a-zA-Z0-9]', '_', k)}": v for k, v in labels.items()}
    put = {
        r["targetLabel"]: found[r["sourceLabels"][0]] for r in endpoint["relabelings"] if "targetLabel" in r
    }
    assert put == {"study": "demo", "trial": "0", "attempt": "1", "purpose": "trial"}
