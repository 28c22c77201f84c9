"""`kubectl tacotune notify test` against a real API server: with the person's own rights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_server import ApiServer, Object
from support.bot_api import TOKEN, BotApi, bot_api
from support.cluster_study import ClusterStudy
from support.plugin import Plugin
from support.service_accounts import service_account_kubeconfig

TELEGRAM: Object = {"secretRef": {"name": "bot"}, "chatId": "42", "events": ["StudyFinished"]}


@pytest.fixture
def bot() -> Iterator[BotApi]:
    with bot_api() as bot:
        yield bot


@pytest.fixture
def plugin(kubeconfig: Path, tmp_path: Path, bot: BotApi) -> Plugin:
    """As an administrator."""
    return Plugin(kubeconfig, tmp_path, {"TACOTUNE_TELEGRAM_URL": bot.url})


def test_a_message_goes_out_with_the_token_of_the_studys_secret(
    plugin: Plugin, study: ClusterStudy, bot: BotApi
) -> None:
    study.create(notifications={"telegram": TELEGRAM})
    said = plugin.run("notify", "test", "demo", "-n", study.namespace)
    assert (said.code, said.out) == (1, "")
    assert (
        f"telegram: spec.notifications.telegram.secretRef: there is no Secret bot of namespace {study.namespace}"
        in (said.err)
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bot"},
        "stringData": {"token": TOKEN},
    }
    study.api.apply(secret, study.namespace)
    assert plugin.prints("notify", "test", "demo", "-n", study.namespace) == "telegram: ok\n"
    assert [text.splitlines()[0] for text in bot.texts] == [f"{study.namespace}/demo: test"]


def test_a_study_that_wants_no_messages_and_one_that_is_not_there(
    plugin: Plugin, study: ClusterStudy
) -> None:
    assert plugin.run("notify", "test", "demo", "-n", study.namespace).code == 66
    study.create()
    said = plugin.run("notify", "test", "demo", "-n", study.namespace)
    assert said.code == 64
    assert "add spec.notifications.telegram" in said.err


def test_who_may_not_read_the_secret_is_told_what_to_ask_for(
    api: ApiServer, study: ClusterStudy, tmp_path: Path
) -> None:
    config = service_account_kubeconfig(api, study.namespace, "default", tmp_path / "kubeconfig")
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "look"},
        "rules": [{"apiGroups": ["tacotune.dev"], "resources": ["ttsstudies"], "verbs": ["get"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": study.namespace}],
    }
    for thing in (role, binding):
        api.apply(thing, study.namespace)
    study.create(notifications={"telegram": TELEGRAM})
    said = Plugin(config, tmp_path).run("notify", "test", "demo", "-n", study.namespace)
    assert said.code == 1
    assert "--resource-name=bot" in said.err
    assert f"--serviceaccount={study.namespace}:default" in said.err
