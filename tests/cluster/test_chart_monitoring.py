"""What the chart has for Prometheus and Grafana, and that it is there only when it is asked for."""

import json
import re

import pytest

from support.api_server import Object
from support.chart import CHART, Chart, ChartError, load_all, one

EVERYTHING: Object = {
    "commonAnnotations": {"example.org/owner": "voices"},
    "commonLabels": {"team": "voices"},
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"role": "alert-rules"}},
        "grafana": {"enabled": True},
    },
}
OFF: Object = {"metrics": {"enabled": False}, "trainer": {"metricsPort": 0}}
KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def test_lint_finds_nothing(chart: Chart) -> None:
    for values in (EVERYTHING, OFF):
        assert "[WARNING]" not in chart.lint(values)


def arguments(objects: list[Object]) -> list[str]:
    (operator,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    found: list[str] = operator["args"]
    return found


def test_by_default_the_operator_answers_and_nothing_needs_the_prometheus_operator(chart: Chart) -> None:
    objects = chart.render({})
    assert not KINDS & {thing["kind"] for thing in objects}
    assert {"--metrics-port=8081", "--trainer-metrics-port=9090"} <= set(arguments(objects))
    service = one(objects, "Service", "tacotune-metrics")
    deployment = one(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    (operator,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "metrics", "containerPort": 8081} in operator["ports"]
    ingress = one(objects, "NetworkPolicy", "tacotune")["spec"]["ingress"][0]["ports"]
    assert [port["port"] for port in ingress] == ["health", "metrics"]


def test_without_metrics_no_port_is_open(chart: Chart) -> None:
    objects = chart.render(OFF)
    assert not [thing for thing in objects if thing["metadata"]["name"].endswith("-metrics")]
    assert {"--metrics-port=0", "--trainer-metrics-port=0"} <= set(arguments(objects))
    (operator,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert [port["name"] for port in operator["ports"]] == ["health"]
    ingress = one(objects, "NetworkPolicy", "tacotune")["spec"]["ingress"][0]["ports"]
    assert [port["port"] for port in ingress] == ["health"]


def test_logs_are_json_in_the_cluster_and_text_from_trials(chart: Chart) -> None:
    assert {"--log-format=json", "--log-level=info", "--trainer-log-format=text"} <= set(
        arguments(chart.render({}))
    )
    other = {"operator": {"logFormat": "text", "logLevel": "debug"}, "trainer": {"logFormat": "json"}}
    assert {"--log-format=text", "--log-level=debug", "--trainer-log-format=json"} <= set(
        arguments(chart.render(other))
    )


def test_monitors_carry_the_labels_by_which_they_are_chosen(chart: Chart) -> None:
    objects = chart.render(EVERYTHING)
    for kind, label in (
        ("ServiceMonitor", "release"),
        ("PodMonitor", "release"),
        ("PrometheusRule", "role"),
    ):
        metadata = one(objects, kind)["metadata"]
        assert {label, "team", "app.kubernetes.io/instance"} <= set(metadata["labels"])
        assert metadata["annotations"] == {"example.org/owner": "voices"}


def test_the_service_monitor_finds_the_operator_and_keeps_the_studies_namespace(chart: Chart) -> None:
    objects = chart.render(EVERYTHING)
    monitor = one(objects, "ServiceMonitor")["spec"]
    service = one(objects, "Service", "tacotune-metrics")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint == {"port": service["spec"]["ports"][0]["name"], "interval": "15s", "honorLabels": True}


def test_the_pod_monitor_looks_where_studies_may_be(chart: Chart) -> None:
    assert one(chart.render(EVERYTHING), "PodMonitor")["spec"]["namespaceSelector"] == {"any": True}
    objects = chart.render({**EVERYTHING, "watchNamespaces": ["alto", "tenor"]})
    assert one(objects, "PodMonitor")["spec"]["namespaceSelector"] == {"matchNames": ["alto", "tenor"]}


def test_rules_and_dashboard_are_the_files_as_they_are(chart: Chart) -> None:
    objects = chart.render(EVERYTHING)
    (rules,) = load_all((CHART / "files" / "rules.yaml").read_text())
    assert one(objects, "PrometheusRule")["spec"] == rules
    dashboard = one(objects, "ConfigMap")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    file = (CHART / "files" / "dashboard.json").read_text()
    assert json.loads(dashboard["data"]["tacotune.json"]) == json.loads(file)


def test_every_alert_says_what_to_do() -> None:
    (rules,) = load_all((CHART / "files" / "rules.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert re.match(r"Tacotune[A-Z]\w+$", rule["alert"])
        assert {"summary", "description"} == set(rule["annotations"]), rule["alert"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": {"port": 8080}}, "/metrics/port"),
        ({"metrics": {"podMonitor": {"interval": "soon"}}}, "/podMonitor/interval"),
        ({"metrics": {"alerts": True}}, "'alerts' not allowed"),
        ({"operator": {"logFormat": "xml"}}, "/operator/logFormat"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_values_are_refused_by_name(chart: Chart, values: Object, message: str) -> None:
    with pytest.raises(ChartError, match=re.escape(message)):
        chart.text(values)
