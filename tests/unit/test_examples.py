"""Every example is a valid study that says what it is for, and becomes objects without a complaint."""

from pathlib import Path

import pytest

from support.study_objects import objects_of
from tacotune.api.manifest import read_manifest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def test_there_is_an_example_for_every_way_to_use_a_cluster() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names >= {
        "quickstart",
        "spot-gpus",
        "multi-objective",
        "conditional",
        "warm-start",
        "kueue",
        "distributed",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_begins_with_what_it_is_for(path: Path) -> None:
    text = path.read_text("utf-8")
    study = read_manifest(text)
    assert text.startswith("# ")
    assert objects_of(study)
