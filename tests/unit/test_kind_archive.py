"""The images that are written without a builder."""

import hashlib
import json
import tarfile
from pathlib import Path

from support.kind.archive import Image, write_archive


def _written(folder: Path, name: str = "images.tar") -> Path:
    program = folder / "program"
    program.write_bytes(b"\x7fELF")
    archive = folder / name
    image = Image(
        "example.test/program:v1", {"usr/bin/program": program}, {"bin/sh": "busybox"}, ("/usr/bin/program",)
    )
    write_archive([image], archive)
    return archive


def test_an_archive_names_its_image_and_holds_layer_and_configuration(tmp_path: Path) -> None:
    with tarfile.open(_written(tmp_path)) as tar:
        contents = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    [manifest] = json.loads(contents["manifest.json"])
    [layer] = manifest["Layers"]
    config = json.loads(contents[manifest["Config"]])
    assert manifest["RepoTags"] == ["example.test/program:v1"]
    assert config["config"]["Entrypoint"] == ["/usr/bin/program"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(contents[layer]).hexdigest()}"]
    assert manifest["Config"] == f"{hashlib.sha256(contents[manifest['Config']]).hexdigest()}.json"


def test_a_layer_holds_files_links_and_a_place_for_temporary_files(tmp_path: Path) -> None:
    with tarfile.open(_written(tmp_path)) as tar:
        [manifest] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        with tarfile.open(fileobj=tar.extractfile(manifest["Layers"][0])) as layer:
            members = {member.name: (member.mode, member.linkname) for member in layer}
    assert members == {
        "etc": (0o755, ""),
        "tmp": (0o1777, ""),
        "usr/bin/program": (0o755, ""),
        "bin/sh": (0o644, "busybox"),
    }


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    with (
        tarfile.open(_written(tmp_path, "one.tar")) as one,
        tarfile.open(_written(tmp_path, "two.tar")) as two,
    ):
        assert one.getnames() == two.getnames()
