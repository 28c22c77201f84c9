"""The Secret of a channel in a cluster: what is wrong with it, and how to grant the right to read it."""

import base64
from typing import Any

import pytest

from tacotune.adapters.kube_api import Forbidden, Unanswered
from tacotune.adapters.kube_secrets import from_cluster
from tacotune.api.kubernetes import SecretKey
from tacotune.ports import Undelivered

REFUSAL = (
    'GET /api/v1/namespaces/voices/secrets/bot: secrets "bot" is forbidden: User "system:serviceaccount:tacotune:tacotune" '
    'cannot get resource "secrets" in API group "" in the namespace "voices"'
)


class Api:
    """Answers one GET."""

    def __init__(self, answer: dict[str, Any] | Exception | None) -> None:
        self.answer = answer
        self.paths: list[str] = []

    def get(self, path: str) -> dict[str, Any] | None:
        self.paths.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def read(answer: dict[str, Any] | Exception | None) -> str:
    api: Any = Api(answer)
    value = from_cluster(api, "voices")("telegram", SecretKey(name="bot", key="token"))
    assert api.paths == ["/api/v1/namespaces/voices/secrets/bot"]
    return value


def test_the_value_under_the_key_is_read_without_the_line_break_of_a_file() -> None:
    assert read({"data": {"token": base64.b64encode(b"123:abc\n").decode()}}) == "123:abc"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "there is no Secret bot of namespace voices"),
        ({}, "Secret bot of namespace voices has nothing under the key token"),
        ({"data": {"other": "eA=="}}, "has nothing under the key token"),
        ({"data": {"token": "///not base64"}}, "has nothing under the key token"),
        (Unanswered("away"), "cannot be read: the API server did not answer"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_the_field(
    answer: dict[str, Any] | Exception | None, said: str
) -> None:
    with pytest.raises(Undelivered) as refused:
        read(answer)
    assert str(refused.value).startswith("spec.notifications.telegram.secretRef: ")
    assert said in str(refused.value)


def test_a_missing_right_is_granted_for_this_secret_alone_by_two_commands() -> None:
    with pytest.raises(Undelivered) as refused:
        read(Forbidden(REFUSAL))
    assert (
        "kubectl -n voices create role read-bot --verb=get --resource=secrets --resource-name=bot && "
        "kubectl -n voices create rolebinding read-bot --role=read-bot --serviceaccount=tacotune:tacotune"
    ) in str(refused.value)
    assert len(str(refused.value)) < 1024, "an event's message"
