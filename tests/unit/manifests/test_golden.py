"""A study in, all its objects out, compared as whole documents.

Each folder of `golden` has a `study.yaml` and the `objects.yaml` that come of it. After a change that is meant:
`TACOTUNE_UPDATE_GOLDEN=1 pytest tests/unit/manifests/test_golden.py`, and read the difference.
"""

import io
import json
import os
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import walk_tree

from support.study_objects import objects_of
from tacotune.api.manifest import read_manifest

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name for path in GOLDEN.iterdir())


@pytest.mark.parametrize("case", CASES)
def test_a_study_becomes_these_objects(case: str) -> None:
    folder = GOLDEN / case
    objects = objects_of(read_manifest((folder / "study.yaml").read_text()))
    if os.environ.get("TACOTUNE_UPDATE_GOLDEN"):
        (folder / "objects.yaml").write_text(text_of(objects))
    assert objects == list(YAML(typ="safe").load_all((folder / "objects.yaml").read_text()))


def text_of(objects: list[dict[str, object]]) -> str:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.indent(sequence=4, offset=2)
    stream = io.StringIO()
    # Through JSON, or what two objects share would become an alias.
    documents = json.loads(json.dumps(objects))
    for document in documents:
        walk_tree(document)
    yaml.dump_all(documents, stream)
    return stream.getvalue()
