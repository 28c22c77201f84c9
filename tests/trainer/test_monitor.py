"""Memory against the limit that counts: S14 of the systems."""

from pathlib import Path

import pytest

from tacotrain.monitor import Monitor, Pressure, Usage, container_memory, gpu_memory, pressures

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("percent", [0, 50, 89, 90])
def test_up_to_90_percent_is_silent(percent: int) -> None:
    assert pressures([Usage("memory", percent, 100), Usage("gpu_memory", percent, 100)]) == ()


def test_above_90_percent_names_the_memory_and_its_numbers() -> None:
    (pressure,) = pressures([Usage("memory", 91 * GIB, 100 * GIB), Usage("gpu_memory", 1, 100)])
    assert pressure.message == "memory 91% full: 93184 of 102400 MiB"


def test_a_memory_without_size_presses_nobody() -> None:
    assert pressures([Usage("memory", 5, 0)]) == ()


def watch(*shares: Usage | None) -> tuple[list[dict[str, float]], list[Pressure], int]:
    usages = iter(shares)
    told: list[Pressure] = []
    cleared: list[bool] = []
    monitor = Monitor(
        probes=(lambda: next(usages),),
        clear=lambda: cleared.append(True),
        warn=told.append,
    )
    metrics = [monitor.check() for _ in shares]
    return metrics, told, len(cleared)


def test_pressure_clears_memory_each_time_but_warns_once_until_it_has_passed() -> None:
    metrics, told, cleared = watch(*(Usage("memory", used, 100) for used in (89, 91, 95, 80, 92)))
    assert [metric["memory_share"] for metric in metrics] == [0.89, 0.91, 0.95, 0.80, 0.92]
    assert [pressure.usage.used for pressure in told] == [91, 92]
    assert cleared == 3


def test_the_alarm_keeps_its_words_until_the_pressure_has_passed() -> None:
    memory = iter(Usage("memory", used, 100) for used in (90, 91, 95, 96, 80, 93))
    gpu = iter(Usage("gpu_memory", used, 100) for used in (1, 1, 92, 1, 1, 1))
    monitor = Monitor(
        probes=(lambda: next(memory), lambda: next(gpu)), clear=lambda: None, warn=lambda _pressure: None
    )
    alarms = []
    for _ in range(6):
        monitor.check()
        alarms.append(monitor.alarm)
    full = "memory 91% full: 0 of 0 MiB"
    assert alarms == [
        "",
        full,
        f"{full}; GPU memory 92% full: 0 of 0 MiB",
        full,
        "",
        "memory 93% full: 0 of 0 MiB",
    ]


def test_without_a_gpu_there_is_no_metric_and_no_warning() -> None:
    metrics, told, cleared = watch(None, None)
    assert (metrics, told, cleared) == ([{}, {}], [], 0)


def test_this_machine_has_a_memory_and_a_gpu_only_where_one_is_in_use() -> None:
    usage = container_memory()
    assert 0 < usage.used < usage.limit
    assert gpu_memory() is None


def test_cgroup_2_limits_this_container_not_the_machine(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kubepods/pod7\n",
            "sys/fs/cgroup/kubepods/pod7/memory.max": "2147483648\n",
            "sys/fs/cgroup/kubepods/pod7/memory.current": "1610612736\n",
            "sys/fs/cgroup/kubepods/pod7/memory.stat": "anon 5\ninactive_file 536870912\n",
        },
    )
    # A reader's page cache is given back, so it is not in use.
    assert container_memory(tmp_path) == Usage("memory", GIB, 2 * GIB)


def test_cgroup_2_takes_the_nearest_group_that_sets_a_limit(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/memory.max": "max\n",
            "sys/fs/cgroup/a/b/memory.current": "10\n",
            "sys/fs/cgroup/a/memory.max": "1000\n",
            "sys/fs/cgroup/a/memory.current": "500\n",
        },
    )
    assert container_memory(tmp_path) == Usage("memory", 500, 1000)


def test_inside_a_namespace_the_root_group_is_ones_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1000\n",
            "sys/fs/cgroup/memory.current": "999\n",
        },
    )
    assert container_memory(tmp_path) == Usage("memory", 999, 1000)


def test_cgroup_1_is_read_where_there_is_no_version_2(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "950\n",
            "sys/fs/cgroup/memory/memory.stat": "cache 60\ntotal_inactive_file 50\n",
        },
    )
    assert container_memory(tmp_path) == Usage("memory", 900, 1000)


def test_no_limit_means_the_machine(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "950\n",
        },
    )
    usage = container_memory(tmp_path)
    assert usage.limit > 100 * 2**20
