"""What the chart says of dashboards, as the operator reads it."""

import json

import pytest

from tacotune.api.dashboards import Dashboard
from tacotune.api.study_key import StudyKey
from tacotune.handlers.page_settings import page_settings
from tacotune.manifests.common import Platform
from tacotune.manifests.dashboard import RESOURCES, http_route, ingress
from tacotune.ports import PermanentError

STUDY = StudyKey("voices", "ruslan", "0b2f3c4d-0000")


def settings(**document: object) -> object:
    return page_settings(json.dumps(document), reader_url="r", mlflow_url="m")


def test_without_a_word_there_are_no_pages() -> None:
    assert page_settings("", reader_url="r", mlflow_url="m").platform.image == ""


def test_resources_of_one_page_replace_what_was_measured() -> None:
    given = {"demo": {"limits": {"memory": "2Gi"}}}
    found = page_settings(json.dumps({"image": "a", "resources": given}), reader_url="", mlflow_url="")
    assert found.platform.resources[Dashboard.DEMO] == {"limits": {"memory": "2Gi"}}
    assert found.platform.resources[Dashboard.MLFLOW] == RESOURCES[Dashboard.MLFLOW]


def test_all_pages_ask_for_no_more_than_their_budget() -> None:
    asked = [int(str(RESOURCES[page]["requests"]["memory"]).removesuffix("Mi")) for page in Dashboard]
    assert sum(asked) <= 1200


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"imag": "a"}, "TACOTUNE_DASHBOARDS: imag"),
        ({"image": "a", "host": "voices.example.org", "ingress": {"enabled": True}}, "no {study}"),
    ],
)
def test_a_mistake_names_its_field(document: dict[str, object], said: str) -> None:
    with pytest.raises(PermanentError, match=said.replace("{", r"\{")):
        settings(**document)


def test_a_gateway_leads_to_the_service_by_a_name_of_the_study() -> None:
    found = page_settings(
        json.dumps(
            {
                "image": "a",
                "host": "{dashboard}-{study}.{namespace}.example.org",
                "httpRoute": {"enabled": True, "parentRefs": [{"name": "web", "namespace": "gateways"}]},
            }
        ),
        reader_url="",
        mlflow_url="",
    )
    exposure, platform = found.platform.exposure, Platform("trainer")
    assert ingress(STUDY, platform, exposure, Dashboard.DEMO) is None
    route = http_route(STUDY, platform, exposure, Dashboard.DEMO, 5003)
    assert route is not None
    assert route["spec"] == {
        "parentRefs": [{"name": "web", "namespace": "gateways"}],
        "hostnames": ["demo-ruslan.voices.example.org"],
        "rules": [{"backendRefs": [{"name": "ruslan-demo", "port": 5003}]}],
    }
    assert exposure.url(STUDY, Dashboard.DEMO) == "https://demo-ruslan.voices.example.org"
