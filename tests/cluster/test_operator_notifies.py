"""The operator tells people: with a Secret it may read, without the right to, and with a service that takes nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api_server import ApiServer, Object
from support.bot_api import TOKEN, Answer, BotApi, bot_api
from support.chart import Chart, one
from support.cluster_study import SECONDS, ClusterStudy, complete, failed
from support.eventually import eventually
from support.guarded import free_ports
from support.operator_process import Operator
from support.pretend_kubelet import Ending, PretendKubelet
from support.service_accounts import service_account_kubeconfig

HOOK = "T0SECRETHOOK"
TELEGRAM: Object = {"secretRef": {"name": "bot"}, "chatId": "42", "cooldownSeconds": 0}
RBAC = ("ServiceAccount", "Role", "RoleBinding")


@pytest.fixture
def bot() -> Iterator[BotApi]:
    with bot_api() as bot:
        yield bot


def secret(api: ApiServer, namespace: str, name: str, **data: str) -> None:
    api.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}, namespace
    )


def running(
    kubeconfig: Path, dsn: str, log: Path, study: ClusterStudy, bot: BotApi, *options: str
) -> Operator:
    return Operator(kubeconfig, dsn, log, "-n", study.namespace, "--telegram-url", bot.url, *options)


def titles(bot: BotApi) -> list[str]:
    return [text.splitlines()[0] for text in bot.texts]


def failures(study: ClusterStudy) -> list[str]:
    return [message for _, reason, message in study.events() if reason == "NotificationFailed"]


def test_a_study_is_told_through_both_channels_and_its_secrets_are_nowhere(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    kubeconfig: Path,
    postgres_dsn: str,
    tmp_path: Path,
    bot: BotApi,
) -> None:
    secret(study.api, study.namespace, "bot", token=f"{TOKEN}\n")
    secret(study.api, study.namespace, "hook", uri=bot.url.replace("http://", "json://") + f"/{HOOK}")
    wanted = {
        "telegram": TELEGRAM,
        "apprise": {"secretRef": {"name": "hook"}, "events": ["StudyFinished"]},
    }
    log = tmp_path / "operator.log"
    shown: list[Object] = []

    def ending(pod: Object) -> Ending:
        env = {e["name"]: e for e in pod["spec"]["containers"][0]["env"]}
        if "TACOTUNE_ANNOUNCE" not in env:
            return study.trains(flaky)(pod)
        reference = env["TACOTUNE_TELEGRAM_TOKEN"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": "bot", "key": "token", "optional": True}
        shown.append(json.loads(env["TACOTUNE_ANNOUNCE"]["value"]))
        return Ending(
            message='{"state": "published", "unannounced": "sendPhoto: 413 Request Entity Too Large"}'
        )

    with (
        running(kubeconfig, postgres_dsn, log, study, bot, "--log-level", "debug"),
        kubelet.running_all(ending),
    ):
        study.create(maxTrials=1, parallelism=1, notifications=wanted)
        study.reaches("Succeeded")
        name = f"{study.namespace}/demo"
        eventually(lambda: titles(bot).count(f"{name}: study finished") == 2, within=SECONDS)
        said = "telegram: sendPhoto: 413 Request Entity Too Large"
        eventually(lambda: said in failures(study), within=90)
        document = study.api.get(study.path)
        events = study.events()
        study.let_go()
    assert shown == [{"title": f"{name}: trial 0", "chatId": "42", "url": bot.url}]
    assert titles(bot)[0] == f"{name}: study started"
    assert {f"{name}: trying again", f"{name}: trial finished", f"{name}: new best"} <= set(titles(bot))
    assert f"voice: kubectl tacotune export demo -n {study.namespace} -o voice/" in bot.texts[-1]
    readable = log.read_text() + str(document) + str(events)
    for hidden in (TOKEN, TOKEN.partition(":")[2], HOOK):
        assert hidden not in readable


def flaky(document: Object) -> Ending:
    """The first attempt fails."""

    return failed(1, "boom") if document["attempt"] == 1 else complete(document)


def test_without_the_right_the_event_says_how_to_grant_it_and_then_messages_arrive(
    chart: Chart,
    study: ClusterStudy,
    kubelet: PretendKubelet,
    module_namespace: str,
    postgres_dsn: str,
    tmp_path: Path,
    bot: BotApi,
) -> None:
    api = study.api
    values: Object = {"watchNamespaces": [study.namespace]}
    objects = [o for o in chart.render(values, module_namespace) if o["kind"] in RBAC]
    for thing in objects:
        api.apply(thing, module_namespace)
    account = one(objects, "ServiceAccount")["metadata"]["name"]
    config = service_account_kubeconfig(api, module_namespace, account, tmp_path / "kubeconfig")
    secret(api, study.namespace, "bot", token=TOKEN)
    with running(config, postgres_dsn, tmp_path / "operator.log", study, bot):
        study.create(maxTrials=2, parallelism=1, notifications={"telegram": TELEGRAM})
        (said, *_) = eventually(lambda: failures(study), within=SECONDS)
        assert said.startswith("telegram: spec.notifications.telegram.secretRef: Secret bot of namespace")
        grant(api, study.namespace, said)
        kubelet.finish("demo-prepare-1")
        with kubelet.running_all(study.trains()):
            study.reaches("Succeeded")
            eventually(lambda: any("study finished" in title for title in titles(bot)), within=SECONDS)
            study.let_go()


def grant(api: ApiServer, namespace: str, said: str) -> None:
    """What the two commands of the event do."""
    role = re.search(
        r"kubectl -n (\S+) create role (\S+) --verb=get --resource=secrets --resource-name=(\S+) &&", said
    )
    binding = re.search(
        r"kubectl -n (\S+) create rolebinding (\S+) --role=(\S+) --serviceaccount=(\S+):(\S+)", said
    )
    assert role is not None
    assert binding is not None
    assert role[1] == binding[1] == namespace
    group = "rbac.authorization.k8s.io"
    made: list[dict[str, Any]] = [
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": {"name": role[2]},
            "rules": [
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [role[3]], "verbs": ["get"]}
            ],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": binding[2]},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": binding[3]},
            "subjects": [{"kind": "ServiceAccount", "namespace": binding[4], "name": binding[5]}],
        },
    ]
    for thing in made:
        api.apply(thing, namespace)


def test_a_service_that_takes_nothing_is_a_warning_and_the_study_goes_on(
    study: ClusterStudy,
    kubelet: PretendKubelet,
    kubeconfig: Path,
    postgres_dsn: str,
    tmp_path: Path,
    bot: BotApi,
) -> None:
    bot.always = Answer(403, "Forbidden: bot was kicked from the group chat")
    secret(study.api, study.namespace, "bot", token=TOKEN)
    log = tmp_path / "operator.log"
    (port,) = free_ports(1)
    with (
        running(kubeconfig, postgres_dsn, log, study, bot, "--metrics-port", str(port)),
        kubelet.running_all(study.trains()),
    ):
        study.create(
            maxTrials=1, parallelism=1, notifications={"telegram": {**TELEGRAM, "cooldownSeconds": 300}}
        )
        study.reaches("Succeeded")
        eventually(lambda: failures(study), within=90)
        assert failures(study) == ["telegram: sendMessage: 403 Forbidden: bot was kicked from the group chat"]
        scraped = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        counted = re.search(r'tacotune_notification_failures_total\{channel="telegram"\} ([\d.]+)', scraped)
        assert counted is not None
        assert float(counted[1]) >= 3, "each message counts, whatever was warned of"
        study.let_go()
    lost = [
        line for line in map(json.loads, log.read_text().splitlines()) if "not sent by" in line["message"]
    ]
    assert {(line["namespace"], line["study"]) for line in lost} == {(study.namespace, "demo")}
    assert TOKEN not in log.read_text() + scraped
