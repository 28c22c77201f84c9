"""What decides how the kind cluster comes up and goes down, without a cluster."""

import json
import os
from pathlib import Path

import pytest

from support.kind import cluster, debian, paths
from support.kind.errors import EX_UNAVAILABLE, KindError
from support.kind.traces import bridges_of_docker, without_docker

RULES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -i eth0 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A POSTROUTING -s 172.31.64.0/24 ! -o br-d6fdee8d3984 -j MASQUERADE
COMMIT
"""
OURS = "br-d6fdee8d3984"


def test_the_rules_of_others_outlive_docker() -> None:
    kept = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n"
    assert without_docker(RULES, [OURS], refused=False) == kept


def test_forwarding_that_was_refused_before_docker_stays_refused() -> None:
    assert ":FORWARD DROP" in without_docker(RULES, [OURS], refused=True)


def test_only_bridges_with_our_addresses_are_taken_back() -> None:
    links = [
        {},
        {"ifname": OURS, "addr_info": [{"local": "172.31.64.1"}]},
        {"ifname": "br-0f0f0f0f0f0f", "addr_info": [{"local": "172.18.0.1"}]},
        {"ifname": "virbr0", "addr_info": []},
    ]
    assert bridges_of_docker(json.dumps(links)) == [OURS]


def test_a_pulled_node_is_left_as_kind_made_it() -> None:
    document = cluster.configuration(cluster.PULLED, None)
    assert document["networking"]["disableDefaultCNI"] is False
    assert document["nodes"] == [{"role": "control-plane", "image": cluster.PULLED}]
    assert json.loads(document["kubeadmConfigPatches"][0])["failCgroupV1"] is False


def test_a_built_node_brings_its_network_and_keeps_its_images() -> None:
    document = cluster.configuration("tacotune.local/node:v1", "/state/containerd-v1")
    mount = {"hostPath": "/state/containerd-v1", "containerPath": "/var/lib/containerd"}
    assert document["networking"]["disableDefaultCNI"] is True
    assert document["nodes"] == [
        {"role": "control-plane", "image": "tacotune.local/node:v1", "extraMounts": [mount]}
    ]


def test_a_machine_without_the_means_says_all_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(KindError, match="root, `debootstrap` on PATH, `unshare` on PATH") as raised:
        debian.require_debian()
    assert raised.value.code == EX_UNAVAILABLE


def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TACOTUNE_CACHE", str(tmp_path))
    assert paths.cache() == tmp_path / "kind"
    monkeypatch.delenv("TACOTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache() == tmp_path / "tacotune" / "kind"


def test_another_content_is_another_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    before = paths.digest("node", file)
    file.write_text("two")
    assert paths.digest("node", file) != before
    assert paths.digest("ab", "c") != paths.digest("a", "bc")
