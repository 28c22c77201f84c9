"""The merge is Kubernetes' strategic one: by key where Kubernetes merges by key, whole where it replaces."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacotune.api.pod_fields import MERGE_KEYS, PATCH
from tacotune.manifests.merge import merge_pod_template

CASES: dict[str, tuple[Any, Any, Any]] = {
    "a mapping is merged": (
        {"nodeSelector": {"a": "1"}},
        {"nodeSelector": {"b": "2"}},
        {"nodeSelector": {"a": "1", "b": "2"}},
    ),
    "null takes a field out": ({"hostIPC": True, "hostPID": True}, {"hostIPC": None}, {"hostPID": True}),
    "null of what is not there is nothing": ({}, {"hostIPC": None}, {}),
    "null in something new is nothing": ({}, {"dnsConfig": {"options": None}}, {"dnsConfig": {}}),
    "containers meet by name": (
        {"containers": [{"name": "trainer", "image": "x"}]},
        {"containers": [{"name": "proxy", "image": "y"}, {"name": "trainer", "tty": True}]},
        {"containers": [{"name": "trainer", "image": "x", "tty": True}, {"name": "proxy", "image": "y"}]},
    ),
    "mounts meet by path": (
        {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
        {"volumeMounts": [{"name": "fast", "mountPath": "/tmp"}]},
        {"volumeMounts": [{"name": "fast", "mountPath": "/tmp"}]},
    ),
    "tolerations are replaced": (
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "b"}]},
        {"tolerations": [{"key": "b"}]},
    ),
    "arguments are replaced": ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
    "spread constraints meet by both of their keys": (
        {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
        {
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 2},
                {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1},
            ]
        },
        {
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1},
                {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 2},
            ]
        },
    ),
    "host aliases meet by address": (
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]},
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}]},
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}]},
    ),
    "a volume has one source": (
        {"volumes": [{"name": "tmp", "emptyDir": {}}]},
        {"volumes": [{"name": "tmp", "hostPath": {"path": "/scratch"}}]},
        {"volumes": [{"name": "tmp", "hostPath": {"path": "/scratch"}}]},
    ),
    "a volume of the same source is merged": (
        {"volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}]},
        {"volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]},
        {"volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]},
    ),
    "a variable has one source": (
        {"env": [{"name": "A", "value": "1"}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
    ),
    "an item is deleted": (
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"env": [{"name": "A", PATCH: "delete"}]},
        {"env": [{"name": "B", "value": "2"}]},
    ),
    "deleting an item that is not there is nothing": (
        {},
        {"env": [{"name": "A", PATCH: "delete"}]},
        {"env": []},
    ),
    "an item is replaced": (
        {"containers": [{"name": "proxy", "image": "x", "tty": True}]},
        {"containers": [{"name": "proxy", "image": "y", PATCH: "replace"}]},
        {"containers": [{"name": "proxy", "image": "y"}]},
    ),
    "a list is replaced": (
        {"env": [{"name": "A", "value": "1"}]},
        {"env": [{PATCH: "replace"}, {"name": "B", "value": "2"}]},
        {"env": [{"name": "B", "value": "2"}]},
    ),
    "a list is emptied": ({"env": [{"name": "A", "value": "1"}]}, {"env": [{PATCH: "replace"}]}, {"env": []}),
    "a mapping is replaced": (
        {"securityContext": {"runAsUser": 1, "fsGroup": 1}},
        {"securityContext": {"runAsUser": 2, PATCH: "replace"}},
        {"securityContext": {"runAsUser": 2}},
    ),
    "a mapping is deleted": (
        {"securityContext": {"runAsUser": 1}},
        {"securityContext": {PATCH: "delete"}},
        {},
    ),
}


@pytest.mark.parametrize(("base", "patch", "merged"), CASES.values(), ids=CASES)
def test_a_patch_is_merged_as_kubernetes_does(base: Any, patch: Any, merged: Any) -> None:
    assert merge_pod_template(base, patch) == merged


WORDS = st.sampled_from(["a", "b", "c"])
NAMES = st.sampled_from(["trainer", "proxy", "log"])


def items(key: str, content: st.SearchStrategy[dict[str, Any]], *, patch: bool) -> Any:
    """A list that is merged by a key; in a patch some items are directives."""
    item = st.builds(lambda name, rest: {key: name, **rest}, NAMES, content)
    if patch:
        directive = st.sampled_from(["delete", "replace"])
        marked = st.builds(lambda found, what: {**found, PATCH: what}, item, directive)
        item = st.one_of(item, item, marked)
    found = st.lists(item, max_size=3, unique_by=lambda each: each[key])
    if not patch:
        return found
    return st.one_of(found, found.map(lambda each: [{PATCH: "replace"}, *each]))


def pods(*, patch: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Parts of pod specs; a patch may have nulls and directives."""

    def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(st.none(), strategy) if patch else strategy

    def mapping(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
        plain = st.fixed_dictionaries({}, optional=fields)
        if not patch:
            return plain
        return st.one_of(
            plain, plain.map(lambda found: {**found, PATCH: "replace"}), st.just({PATCH: "delete"})
        )

    variables = items(
        "name", st.one_of(st.builds(lambda v: {"value": v}, WORDS), st.just({"valueFrom": {}})), patch=patch
    )
    mounts = items("mountPath", st.builds(lambda v: {"name": v}, WORDS), patch=patch)
    container = st.fixed_dictionaries(
        {},
        optional={
            "image": maybe(WORDS),
            "args": maybe(st.lists(WORDS, max_size=2)),
            "env": maybe(variables),
            "volumeMounts": maybe(mounts),
            "securityContext": maybe(mapping({"runAsUser": maybe(st.integers(0, 3))})),
        },
    )
    source = st.one_of(st.just({"emptyDir": {}}), st.builds(lambda v: {"hostPath": {"path": v}}, WORDS))
    return st.fixed_dictionaries(
        {},
        optional={
            "containers": maybe(items("name", container, patch=patch)),
            "volumes": maybe(items("name", source, patch=patch)),
            "nodeSelector": maybe(mapping({"a": maybe(WORDS), "b": maybe(WORDS)})),
            "tolerations": maybe(st.lists(st.builds(lambda v: {"key": v}, WORDS), max_size=2)),
            "hostIPC": maybe(st.booleans()),
        },
    )


@given(pods(patch=False))
def test_an_empty_patch_changes_nothing(base: dict[str, Any]) -> None:
    assert merge_pod_template(base, {}) == base


@given(pods(patch=False))
def test_what_is_merged_into_nothing_stays_as_it_is(patch: dict[str, Any]) -> None:
    assert merge_pod_template({}, patch) == patch


@given(pods(patch=False))
def test_a_pod_merged_into_itself_changes_nothing(base: dict[str, Any]) -> None:
    assert merge_pod_template(base, base) == base


@given(pods(patch=False), pods(patch=True))
def test_merging_twice_is_merging_once(base: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_pod_template(base, patch)
    assert merge_pod_template(once, patch) == once


@given(pods(patch=False), pods(patch=True))
def test_neither_the_pod_nor_the_patch_is_changed(base: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((base, patch))
    merge_pod_template(base, patch)
    assert (base, patch) == before


@given(pods(patch=False), pods(patch=True))
def test_no_directive_and_no_null_is_left(base: dict[str, Any], patch: dict[str, Any]) -> None:
    assert not list(leftovers(merge_pod_template(base, patch)))


@given(pods(patch=False), pods(patch=False))
def test_items_keep_their_places_and_new_ones_come_behind(
    base: dict[str, Any], patch: dict[str, Any]
) -> None:
    merged = merge_pod_template(base, patch)
    for field in ("containers", "volumes"):
        (key,) = MERGE_KEYS[field]
        before, given_ = ([item[key] for item in part.get(field, [])] for part in (base, patch))
        after = [item[key] for item in merged.get(field, [])]
        assert after == [*before, *(name for name in given_ if name not in before)]


def leftovers(value: Any) -> Any:
    if isinstance(value, dict):
        for key, child in value.items():
            if key == PATCH or child is None:
                yield key
            yield from leftovers(child)
    elif isinstance(value, list):
        for child in value:
            yield from leftovers(child)
