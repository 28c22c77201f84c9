"""What the other end-to-end tests stand on: that this cluster behaves as a real one where tacotune depends on it."""

from support.namespace import Namespace
from support.pods import PATIENT, claim, job, pod, pod_spec, service, terminated


def test_a_volume_is_bound_and_survives_its_pod(namespace: Namespace) -> None:
    write = pod_spec(
        "sh", "-c", "echo trained > /study/result && id -u > /study/user", claims={"/study": "study"}
    )
    read = pod_spec("cat", "/study/result", "/study/user", claims={"/study": "study"})
    namespace.apply(claim("study"), pod("writer", write))
    namespace.wait("pod/writer", "jsonpath={.status.phase}=Succeeded")
    assert namespace.get("pvc/study")["status"]["phase"] == "Bound"
    namespace.delete("pod/writer")

    namespace.apply(pod("reader", read))
    namespace.wait("pod/reader", "jsonpath={.status.phase}=Succeeded")
    assert namespace.kubectl("logs", "pod/reader") == "trained\n10001\n"


def test_a_service_is_reached_by_name_from_another_pod(namespace: Namespace) -> None:
    serve = pod_spec(
        *(
            "sh",
            "-c",
            "echo dashboard > /tmp/index.html && exec python3 -m http.server --directory /tmp 5002",
        ),
        readinessProbe={"tcpSocket": {"port": 5002}, "periodSeconds": 1},
    )
    fetch = f"{PATIENT}print(answer('http://board:5002/', time.monotonic() + 90)[1], end='')"
    namespace.apply(pod("server", serve, app="board"), service("board", 5002, app="board"))
    namespace.wait("pod/server", "condition=Ready")

    namespace.apply(job("client", pod_spec("python3", "-c", fetch)))
    namespace.wait("job/client", "condition=Complete")
    assert namespace.kubectl("logs", "job/client") == "dashboard\n"


def test_a_failing_job_shows_exit_code_last_word_and_log(namespace: Namespace) -> None:
    fail = "echo 'no such preset'; echo '{\"error\": \"preset\"}' > /dev/termination-log; exit 64"
    namespace.apply(job("bad", pod_spec("sh", "-c", fail)))
    namespace.wait("job/bad", "condition=Failed")
    ended = terminated(namespace.pod_of("bad"))
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (64, "Error", '{"error": "preset"}\n')
    assert namespace.kubectl("logs", "job/bad") == "no such preset\n"


def test_a_permanent_exit_code_fails_the_job_by_its_failure_policy(namespace: Namespace) -> None:
    document = job("bad", pod_spec("sh", "-c", "exit 65"))
    codes = {"containerName": "main", "operator": "In", "values": [64, 65, 77]}
    document["spec"]["podFailurePolicy"] = {"rules": [{"action": "FailJob", "onExitCodes": codes}]}
    namespace.apply(document)
    namespace.wait("job/bad", "condition=Failed")
    [condition] = [one for one in namespace.get("job/bad")["status"]["conditions"] if one["type"] == "Failed"]
    assert condition["reason"] == "PodFailurePolicy"


def test_a_container_over_its_memory_limit_is_reported_as_out_of_memory(namespace: Namespace) -> None:
    limited = pod_spec("python3", "-c", "bytearray(512 << 20)", resources={"limits": {"memory": "64Mi"}})
    names = ["greedy-0", "greedy-1", "greedy-2"]
    namespace.apply(*(job(name, limited) for name in names))
    for name in names:
        namespace.wait(f"job/{name}", "condition=Failed")
    ends = [terminated(namespace.pod_of(name)) for name in names]
    # Now and then the container's end overtakes the kernel's word about it, and the reason is only "Error".
    assert [end["exitCode"] for end in ends] == [137, 137, 137]
    assert "OOMKilled" in {end["reason"] for end in ends}


def test_a_suspended_job_lets_its_pod_checkpoint(namespace: Namespace) -> None:
    train = (
        "import pathlib, signal, sys, time\n"
        "def checkpoint(*_):\n"
        "    time.sleep(3)\n"
        "    pathlib.Path('/study/checkpoint').write_text('step 100')\n"
        "    pathlib.Path('/dev/termination-log').write_text('checkpointed')\n"
        "    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, checkpoint)\n"
        "pathlib.Path('/tmp/training').touch()\n"
        "while True: signal.pause()\n"
    )
    running = {"exec": {"command": ["test", "-e", "/tmp/training"]}, "periodSeconds": 1}
    spec = pod_spec("python3", "-c", train, claims={"/study": "study"}, grace=60, readinessProbe=running)
    namespace.apply(claim("study"), job("train", spec))
    with namespace.watch_pods("job-name=train") as pods:
        next(one for one in pods if _is_ready(one))
        namespace.kubectl("patch", "job/train", "-p", '{"spec": {"suspend": true}}')
        last = next(one for one in pods if "terminated" in one["status"]["containerStatuses"][0]["state"])
    assert (terminated(last)["exitCode"], terminated(last)["message"]) == (75, "checkpointed")
    namespace.wait("job/train", "condition=Suspended")

    namespace.apply(pod("reader", pod_spec("cat", "/study/checkpoint", claims={"/study": "study"})))
    namespace.wait("pod/reader", "jsonpath={.status.phase}=Succeeded")
    assert namespace.kubectl("logs", "pod/reader") == "step 100"


def _is_ready(pod: dict[str, object]) -> bool:
    status = pod["status"]
    assert isinstance(status, dict)
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
