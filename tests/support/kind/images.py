"""The images of the tests: built in the cluster's Docker from the Dockerfiles of this repository, and loaded into the node."""

import configparser
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from support.kind.cluster import NODE, PULLED
from support.kind.debian import Root, tarball
from support.kind.docker import Docker
from support.kind.errors import KindError
from support.kind.paths import REPOSITORY, logs
from support.kind.processes import output
from support.kind.progress import say, step

PYTHON: Final = Root("python", "bookworm", ("python3", "python3-venv", "python3-pip", "ca-certificates"))
TORCH: Final = Root("torch", "sid", (*PYTHON.packages, "python3-torch"))
_CERTIFICATES: Final = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_CTR: Final = ("ctr", "--namespace", "k8s.io", "images")
_LOADED: Final = "/var/lib/containerd/loaded"
"""In the node, beside the images: a line for each that was loaded."""


@dataclass(frozen=True, slots=True)
class Build:
    """An image and where it comes from."""

    name: str
    dockerfile: Path
    context: Path
    base: Root
    """What it is built on where nothing can be pulled."""
    pulled_arguments: tuple[str, ...] = ()
    """Arguments of the build on the base that the Dockerfile names."""
    base_arguments: tuple[str, ...] = ()
    """Arguments of the build on `base`."""
    target: str = ""
    """Stage of the Dockerfile; the last when empty."""

    @property
    def reference(self) -> str:
        """How pods name it."""
        return f"tacotune/{self.name}:e2e"


_IMAGES: Final = REPOSITORY / "tests/images"
TOOLS: Final = Build("tools", _IMAGES / "tools/Dockerfile", _IMAGES / "tools", PYTHON)
POSTGRES: Final = Build("postgres", _IMAGES / "postgres/Dockerfile", _IMAGES / "postgres", PYTHON)
OPERATOR: Final = Build("operator", REPOSITORY / "Dockerfile", REPOSITORY, PYTHON)
TRAINER: Final = Build(
    "trainer",
    REPOSITORY / "trainer-image/Dockerfile",
    REPOSITORY,
    TORCH,
    pulled_arguments=("TORCH_INDEX=https://download.pytorch.org/whl/cpu",),
    base_arguments=("TORCH_INDEX=base",),
)
DASHBOARDS: Final = replace(TRAINER, name="dashboards", target="dashboards")
BUILDS: Final = (TOOLS, POSTGRES, OPERATOR, TRAINER, DASHBOARDS)


def build_and_load(docker: Docker, builds: Sequence[Build] = BUILDS) -> dict[str, str]:
    """Build what has changed and load what the node does not have; return each reference with what it is now."""
    for build in builds:
        build_image(docker, build)
    return load(docker, [build.reference for build in builds])


def build_image(docker: Docker, build: Build) -> None:
    """Build one image; Docker's own cache makes it quick when nothing has changed."""
    # Where the node could be pulled the base can, too, and the Dockerfile names it.
    arguments = (
        build.pulled_arguments
        if docker.has(PULLED)
        else (f"BASE_IMAGE={_base(docker, build.base)}", *build.base_arguments)
    )
    with step(f"building {build.reference}"), _secrets() as secrets:
        docker.run(
            f"build-{build.name}",
            *(
                "buildx",
                "build",
                "--network",
                "host",
                "--progress",
                "plain",
                "--load",
                "--tag",
                build.reference,
            ),
            *(("--target", build.target) if build.target else ()),
            *(part for argument in arguments for part in ("--build-arg", argument)),
            *(*secrets, "--file", str(build.dockerfile), str(build.context)),
        )


def load(docker: Docker, references: Sequence[str]) -> dict[str, str]:
    """Put images of this Docker into the node, layers that several of them share once; return their identities."""
    # Without the quotes of a Go template's string: the identity that a rebuilt image changes.
    wanted = {
        name: docker.output("image", "inspect", "--format", "{{.Id}}", name).strip() for name in references
    }
    listed = docker.output("exec", NODE, "sh", "-c", f"cat {_LOADED} 2>/dev/null || true")
    loaded = dict(line.split() for line in listed.splitlines())
    there = docker.output("exec", NODE, *_CTR, "list", "--quiet").split()
    missing = [
        name
        for name, identity in wanted.items()
        if loaded.get(name) != identity or f"docker.io/{name}" not in there
    ]
    if not missing:
        say("the node has all images")
        return wanted
    with step(f"loading {', '.join(missing)} into the node"):
        _pipe(docker, ["docker", "save", *missing], ["docker", "exec", "-i", NODE, *_CTR, "import", "-"])
    lines = "".join(f"{name} {identity}\n" for name, identity in {**loaded, **wanted}.items())
    docker.output("exec", "-i", NODE, "sh", "-c", f"cat > {_LOADED}", text=lines)
    return wanted


def _pipe(docker: Docker, source: Sequence[str], target: Sequence[str]) -> None:
    log = logs() / "load.log"
    with (
        log.open("wb") as file,
        subprocess.Popen(source, env=docker.env, stdout=subprocess.PIPE, stderr=file) as save,
    ):
        imported = subprocess.run(
            target, env=docker.env, stdin=save.stdout, stdout=file, stderr=file, check=False
        )
    if save.returncode != 0 or imported.returncode != 0:
        raise KindError(f"the images could not be loaded ({log}):\n{log.read_text(errors='replace')[-2000:]}")


def _base(docker: Docker, root: Root) -> str:
    reference = f"tacotune.local/base:{root.key}"
    if not docker.has(reference):
        tar = tarball(root)
        with step(f"docker import of {reference}"), tar.open("rb") as file:
            path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            docker.run("import", "import", "--change", path, "-", reference, stdin=file)
        # Docker has it now; for another Docker it is made again from the packages, which stay.
        tar.unlink()
    return reference


@contextmanager
def _secrets() -> Iterator[tuple[str, ...]]:
    """This machine's certificates and package index for the time of a build: no image keeps them."""
    certificates = next((os.environ[name] for name in _CERTIFICATES if os.environ.get(name)), None)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        _pip_settings().write(settings)
        settings.flush()
        secrets = ["--secret", f"id=pip,src={settings.name}"]
        if certificates:
            secrets += ["--secret", f"id=ca,src={certificates}"]
        yield tuple(secrets)


def _pip_settings() -> configparser.RawConfigParser:
    """Where pip is told to look on this machine; what names files of this machine is left out."""
    kept = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy")
    settings = configparser.RawConfigParser()
    settings["global"] = {}
    for line in output([sys.executable, "-m", "pip", "config", "list"]).splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in kept:
            settings["global"][key] = value.strip("'")
    return settings
