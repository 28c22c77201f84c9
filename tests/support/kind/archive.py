"""Container images out of files, without a builder: a docker-archive as `ctr images import` and `docker load` read it."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_CREATED: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one layer."""

    reference: str
    files: Mapping[str, Path]
    """Place in the image, without the leading slash → file here."""
    links: Mapping[str, str]
    """Place in the image → what the link points to."""
    entrypoint: tuple[str, ...] = ()


def write_archive(images: Sequence[Image], archive: Path) -> None:
    """Write the images into one archive; the same files give the same bytes."""
    manifest = []
    with tarfile.open(archive, "w") as tar:
        for image in images:
            layer = archive.with_suffix(".layer")
            with layer.open("w+b") as file:
                _write_layer(image, file)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                tar.add(layer, f"{digest}.tar")
            layer.unlink()
            config = _document(_config(image, digest))
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, name, config)
            manifest.append({"Config": name, "RepoTags": [image.reference], "Layers": [f"{digest}.tar"]})
        _add(tar, "manifest.json", _document(manifest))


def _write_layer(image: Image, file: BinaryIO) -> None:
    with tarfile.open(fileobj=file, mode="w") as layer:
        for folder, mode in (("etc", 0o755), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            layer.addfile(entry)
        for place, source in sorted(image.files.items()):
            entry = tarfile.TarInfo(place)
            entry.size, entry.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                layer.addfile(entry, content)
        for place, target in sorted(image.links.items()):
            entry = tarfile.TarInfo(place)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            layer.addfile(entry)


def _config(image: Image, digest: str) -> dict[str, Any]:
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": _CREATED,
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }


def _document(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
