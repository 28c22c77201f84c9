"""Reading manifests: what YAML means, where problems stand, and that all of them are told at once."""

import math
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.manifests import manifest
from tacotune.api.manifest import InvalidManifestError, read_manifest, read_manifests
from tacotune.api.yaml_tree import plain, read_documents, resolve_scalar


def said(text: str, **overrides: object) -> list[str]:
    return [str(problem) for problem in read_manifests(text, overrides or None).problems]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = textwrap.dedent("""\
        apiVersion: tacotune.dev/v1alpha1
        kind: TTSStudy
        metadata: {name: Demo}
        spec:
          maxTrials: "40"
          parallelism: four
          max_trials: 4
          objective: {metric: tts_scor}
          searchSpace:
          - {name: learning_rat, float: {low: 1, high: 1e-3}}
          - {name: batch_size, float: {low: 8, high: 16}}
          - {name: prenet_dim, int: {low: 8, hihg: 16}}
          - name: location_kernel
            categorical: {choices: [15, 32]}
          pruner: {name: hyperband, maxResourse: 3}
          fixedParameters: {batch_size: 3, prenet_drop: 0.3}
          goal: .nan
        """)
    assert [problem.split(": ")[0:2] for problem in said(text)] == [
        ["3:12", "metadata.name"],
        ["4:1", "spec.dataset"],
        ["5:3", "spec.maxTrials"],
        ["6:3", "spec.parallelism"],
        ["7:3", "spec.max_trials"],
        ["8:15", "spec.objective.metric"],
        ["10:6", "spec.searchSpace[0].name"],
        ["10:26", "spec.searchSpace[0].float"],
        ["11:24", "spec.searchSpace[1].float"],
        ["12:24", "spec.searchSpace[2].int.high"],
        ["12:38", "spec.searchSpace[2].int.hihg"],
        ["14:33", "spec.searchSpace[3].categorical.choices[1]"],
        ["15:29", "spec.pruner.maxResourse"],
        ["16:21", "spec.fixedParameters.batch_size"],
        ["16:36", "spec.fixedParameters.prenet_drop"],
        ["17:3", "spec.goal"],
    ]


def test_a_broken_part_brings_no_echoes() -> None:
    # Without the misspelled maxResource hyperband would complain; without the parent parameter its condition would.
    text = manifest(
        "pruner: {name: hyperband, maxResourse: 3}",
        "maxTrials: x",
        "parallelism: 30",
        "initialTrials: [{mel_loss: l1}]",
        space="  - {name: mel_loss, categorical: {choices: [l1, l1]}}\n"
        "  - {name: batch_size, int: {low: 1, high: 2}, when: {parameter: mel_loss, in: [l1]}}\n",
    )
    assert [problem.split(": ")[1] for problem in said(text)] == [
        "spec.searchSpace[0].categorical",
        "spec.pruner.maxResourse",
        "spec.maxTrials",
    ]


def test_positions_hold_where_earlier_items_of_a_list_are_broken_too() -> None:
    text = manifest(
        space="  - {name: batch_size, int: {low: 2, high: 1}}\n"
        "  - {name: prenet_dropout, float: {low: 0.1, high: 0.2}}\n"
        "  - {name: mel_loss, categorical: {choices: [huber]}}\n"
    )
    assert [problem.split(": ")[:2] for problem in said(text)] == [
        ["7:24", "spec.searchSpace[0].int"],
        ["9:46", "spec.searchSpace[2].categorical.choices[0]"],
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c\n", "1:5: not YAML: mapping values are not allowed here (quote a text that contains ': '"),
        ("spec:\n\tmaxTrials: 1\n", "2:1: not YAML: found character '\\t' that cannot start any token"),
        ("a: [1, 2\nb: 3\n", "2:2: not YAML: expected ',' or ']', but got ':'"),
        ("a: 'x\n", "2:1: not YAML: found unexpected end of stream"),
        ("a: \x07b\n", "1:4: not YAML: the character U+0007 is not allowed (remove it)"),
        ("- a\n", "1:1: a manifest is a mapping, not a list"),
        ("just words\n", "1:1: a manifest is a mapping, not 'just words'"),
        ("", "no TTSStudy in this file (`tacotune init` writes one to begin with)"),
        ("# nothing\n---\n", "no TTSStudy in this file"),
    ],
)
def test_what_is_no_manifest_at_all_is_said_with_its_place(text: str, problem: str) -> None:
    (only,) = said(text)
    assert problem in only


def test_duplicate_keys_are_told_with_both_lines_and_next_to_other_problems() -> None:
    text = manifest("maxTrials: 3", "maxTrials: 4", "goal: x")
    assert said(text) == [
        "9:3: spec.maxTrials: maxTrials stands twice, first in line 8",
        "10:3: spec.goal: must be a number, not 'x'",
    ]


def test_an_alias_without_an_anchor_and_a_key_that_is_no_text() -> None:
    assert said(manifest("fixedParameters: *none"))[0].startswith(
        "8:20: spec.fixedParameters: alias *none has no anchor"
    )
    assert "a key must be a text" in said(manifest("? [a]\n  : 1"))[0]


def test_anchors_and_merges_mean_what_they_say() -> None:
    text = manifest(
        "fixedParameters: &few {epochs: 3, batch_size: 8}",
        "finalTraining: {parameters: {<<: *few, epochs: 9}}",
    )
    spec = read_manifest(text).spec
    assert spec.final_training.parameters == {"epochs": 9, "batch_size": 8}
    assert spec.fixed_parameters == {"epochs": 3, "batch_size": 8}


def test_a_bomb_of_aliases_is_refused_before_it_goes_off() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "more than 200000 values" in said("\n".join(lines))[0]


def test_nesting_has_an_end() -> None:
    assert "nested deeper than 50 levels" in said("a: " + "[" * 60 + "]" * 60)[0]


def test_several_documents_are_read_and_other_kinds_left_alone() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {uri: x}\n"
    file = read_manifests("---\n".join([secret, manifest(name="one"), manifest("maxTrials: 0", name="two")]))
    assert file.skipped == ("v1 Secret",)
    assert [m.study.metadata.name if m.study else None for m in file.manifests] == ["one", None]
    # Lines count through the whole file.
    assert [p.line for p in file.problems] == [21]


def test_one_study_is_wanted_where_one_is_run() -> None:
    with pytest.raises(InvalidManifestError, match="2 studies in one file: one, two"):
        read_manifest(manifest(name="one") + "---\n" + manifest(name="two"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("5.0e-5", 5e-5),
        (".5", 0.5),
        ("1_000", 1000),
        ("0x1F", 31),
        ("-7", -7),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("2020-01-01", "2020-01-01"),
        ("1:30", "1:30"),
        ("1e", "1e"),
        ("e5", "e5"),
        ("-.inf", -math.inf),
    ],
)
def test_scalars_mean_what_they_mean_to_kubectl(written: str, meant: object) -> None:
    assert resolve_scalar(written) == meant
    assert type(resolve_scalar(written)) is type(meant)


def test_a_number_that_readers_read_differently_is_refused() -> None:
    (problem,) = said(manifest("maxTrials: 010"))
    assert problem == (
        '8:14: spec.maxTrials: 010 is octal to some readers and decimal to others (write 10, or "010" for the text)'
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_python_writes_is_read_back(number: float) -> None:
    assert resolve_scalar(repr(number)) == number


@given(st.text(max_size=200))
def test_no_text_at_all_brings_the_reader_down(text: str) -> None:
    for document in read_documents(text):
        if document.root is not None:
            plain(document.root)
    read_manifests(text)


def test_values_may_be_set_over_those_of_the_file() -> None:
    study = read_manifest(
        manifest("maxTrials: 3"),
        {"maxTrials": 9, "sampler.seed": 7, "searchSpace[0].float.high": 0.5, "spec.goal": 1},
    )
    spec = study.spec
    assert (spec.max_trials, spec.sampler.seed, spec.search_space[0].space, spec.goal) == (
        9,
        7,
        spec.search_space[0].float_,
        1.0,
    )
    assert spec.search_space[0].float_ is not None
    assert spec.search_space[0].float_.high == 0.5


def test_a_value_set_where_nothing_is_or_of_a_wrong_kind_is_told() -> None:
    assert (
        "spec.searchSpace[3].float.high: cannot be set"
        in said(manifest(), **{"searchSpace[3].float.high": 1})[0]
    )
    assert "spec.maxTrials.a: cannot be set" in said(manifest("maxTrials: 3"), **{"maxTrials.a": 1})[0]
    assert "spec.maxTrials: must be a whole number, not 'x'" in said(manifest(), maxTrials="x")[0]
    assert "spec.maxTrails: unknown field (did you mean maxTrials?)" in said(manifest(), maxTrails=3)[0]


def test_no_section_for_notifications_is_no_mistake() -> None:
    assert read_manifest(manifest()).spec.notifications is None
