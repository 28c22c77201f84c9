"""The status: written beside the spec, kept within its schema, and shown in the columns of `kubectl get`."""

from datetime import UTC, datetime
from typing import Any

from support.api_server import PATCH, TABLE, ApiServer, Object
from support.objects import changed, study
from tacotune.api.conditions import Condition, ConditionType, Phase, Reason
from tacotune.api.status import BestTrial, TrialCounts, TTSStudyStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATUS = TTSStudyStatus(
    observed_generation=1,
    phase=Phase.RUNNING,
    conditions=[
        Condition(
            type=ConditionType.SUCCEEDED,
            status="Unknown",
            reason=Reason.TRIALS_RUNNING,
            message="4 trials run",
            last_transition_time=NOW,
            observed_generation=1,
        )
    ],
    trials=TrialCounts(total=16, running=4, succeeded=7, pruned=3, failed=2),
    progress="12/40",
    gpu_seconds=27_000,
    best=BestTrial(trial=5, value=0.312507, parameters={"learning_rate": 0.001}, step=900, checkpoint="x"),
    start_time=NOW,
    estimated_completion_time=NOW.replace(hour=18),
).model_dump(mode="json", by_alias=True, exclude_none=True)


def stored(api: ApiServer, namespace: str) -> tuple[str, Object]:
    answer = api.create(study(), namespace)
    assert answer.ok, answer.body
    return f"{api.collection(study(), namespace)}/demo", answer.body


def table(api: ApiServer, path: str) -> dict[str, Any]:
    answer = api.request("GET", path, accept=TABLE)
    assert answer.ok, answer.body
    headers = [column["name"].upper() for column in answer.body["columnDefinitions"]]
    (row,) = answer.body["rows"]
    return dict(zip(headers, row["cells"], strict=True))


def test_the_columns_of_a_running_study(api: ApiServer, namespace: str) -> None:
    path, _ = stored(api, namespace)
    written = api.request("PATCH", f"{path}/status", {"status": STATUS}, content=PATCH)
    assert written.ok, written.body
    assert written.body["status"] == STATUS
    columns = table(api, path)
    assert columns.pop("AGE").endswith("s")
    assert list(columns.items()) == [
        ("NAME", "demo"),
        ("PHASE", "Running"),
        ("BEST", "0.3125"),
        ("TRIALS", "12/40"),
        ("RUNNING", 4),
        ("PRUNED", 3),
        ("FAILED", 2),
        ("GPU-H", "7.5"),
        ("ETA", "2026-03-01T18:00:00Z"),
    ]


def test_the_columns_of_a_study_that_nobody_has_seen_yet(api: ApiServer, namespace: str) -> None:
    path, _ = stored(api, namespace)
    columns = table(api, path)
    assert list(columns) == [
        "NAME", "PHASE", "BEST", "TRIALS", "RUNNING", "PRUNED", "FAILED", "GPU-H", "ETA", "AGE",
    ]  # fmt: skip
    assert (columns["NAME"], columns["PHASE"], columns["BEST"]) == ("demo", None, None)


def test_a_status_is_written_beside_the_spec(api: ApiServer, namespace: str) -> None:
    path, thing = stored(api, namespace)
    both = changed(thing, {"status": STATUS, "spec.maxTrials": 99})
    status_only = api.request("PUT", f"{path}/status", both)
    assert status_only.ok, status_only.body
    assert (status_only.body["status"], status_only.body["spec"]) == (STATUS, thing["spec"])
    assert status_only.body["metadata"]["generation"] == 1
    spec_only = api.request("PUT", path, changed(status_only.body, {"spec.maxTrials": 99, "status": {}}))
    assert spec_only.ok, spec_only.body
    assert (spec_only.body["status"], spec_only.body["spec"]["maxTrials"]) == (STATUS, 99)
    assert spec_only.body["metadata"]["generation"] == 2


def test_a_new_study_brings_no_status(api: ApiServer, namespace: str) -> None:
    answer = api.create(study({"status": STATUS}), namespace)
    assert answer.ok, answer.body
    assert "status" not in answer.body


def test_a_status_written_from_an_old_copy_is_a_conflict(api: ApiServer, namespace: str) -> None:
    path, thing = stored(api, namespace)
    assert api.request("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content=PATCH).ok
    assert api.request("PUT", f"{path}/status", changed(thing, {"status": STATUS})).code == 409


def test_a_status_outside_its_schema_is_refused(api: ApiServer, namespace: str) -> None:
    path, _ = stored(api, namespace)
    wrong = changed({"status": STATUS}, {"status.phase": "Dancing", "status.conditions[0].reason": "Because"})
    answer = api.request("PATCH", f"{path}/status", wrong, content=PATCH)
    assert {at for at, _ in answer.refusals} == {"status.phase", "status.conditions[0].reason"}
