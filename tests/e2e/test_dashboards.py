"""The pages of a study in pods: found by the names of their Services, and looked at in a real browser through kubectl."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from support.browser import browser, page, screenshot
from support.eventually import eventually
from support.kind import cluster, paths
from support.kind_study import SECONDS, KindStudy
from support.namespace import Namespace
from support.pods import PATIENT, pod, pod_spec
from tacotune.adapters.kubectl import KubeFlags, port_forward

__all__ = ["browser"]

READY = {
    "mlflow": (5000, "/health"),
    "tensorboard": (5001, "/"),
    "optuna": (5002, "/dashboard"),
    "demo": (5003, "/_stcore/health"),
}
ASK = f"{PATIENT}[print(answer(url, time.monotonic() + 90)[0]) for url in sys.argv[1:]]"


def test_s16_to_s20_every_page_shows_the_study(
    study: KindStudy, namespace: Namespace, browser: Browser, tmp_path: Path
) -> None:
    status = study.create(maxTrials=2, dashboards={}).ends()
    assert status["trials"]["succeeded"] == 2
    eventually(lambda: study.condition("DashboardsReady") == "True", within=SECONDS, every=1)
    urls = {row["name"]: row["url"] for row in study.status["dashboards"]}
    assert urls["mlflow"] == f"http://tiny-mlflow.{namespace.name}.svc:5000"
    asked = [urls[kind] + path for kind, (_, path) in READY.items()]
    spec = pod_spec("python3", "-c", ASK, *asked, image="tacotune/trainer:e2e")
    namespace.apply(pod("asks", spec))
    namespace.wait("pod/asks", "jsonpath={.status.phase}=Succeeded", within=240)
    assert namespace.kubectl("logs", "pod/asks").split() == ["200"] * 4

    with _forwarded(namespace, "mlflow") as url, page(browser, f"{url}/study") as opened:
        opened.get_by_text("3 matching runs").wait_for()
        screenshot(opened, "e2e-mlflow", tmp_path)
    with _forwarded(namespace, "tensorboard") as url, page(browser, url) as opened:
        opened.get_by_text("trial 0001").first.wait_for()
        screenshot(opened, "e2e-tensorboard", tmp_path)
    with _forwarded(namespace, "optuna") as url, page(browser, f"{url}/dashboard") as opened:
        opened.get_by_text(".tiny.").first.click()
        opened.locator("svg").get_by_text("learning_rate").first.wait_for()
        screenshot(opened, "e2e-optuna", tmp_path)
    with _forwarded(namespace, "demo") as url, page(browser, url, height=1300) as opened:
        opened.get_by_role("textbox", name="Text").fill("A red cat.")
        opened.get_by_role("button", name="Speak").click()
        opened.locator("audio").first.wait_for(timeout=120_000)
        screenshot(opened, "e2e-demo", tmp_path)
    pods = json.loads(namespace.kubectl("get", "pods", "-l", "tacotune.dev/dashboard", "-o", "json"))["items"]
    restarts = {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"] for p in pods}
    assert set(restarts.values()) == {0}, restarts


@contextlib.contextmanager
def _forwarded(namespace: Namespace, kind: str) -> Iterator[str]:
    # The tests' kubectl need not be on PATH.
    os.environ["PATH"] = f"{Path(cluster.program('kubectl')).parent}:{os.environ['PATH']}"
    flags = KubeFlags(kubeconfig=str(paths.kubeconfig()), namespace=namespace.name)
    with port_forward(flags, f"tiny-{kind}", READY[kind][0]) as port:
        yield f"http://127.0.0.1:{port}"
