"""The builder of the test clusters' programs, with a stand-in for `go`."""

import concurrent.futures
import os
from pathlib import Path

import pytest

from support.toolchain import ToolchainError, build, cache, main

GO = """#!/bin/sh
case "$1" in
version) echo "go version go{version} linux/amd64" ;;
*) echo "$@" >> {calls}
   {build}
   while [ $# -gt 0 ]; do [ "$1" = -o ] && echo program > "$2"; shift; done
   [ -n "$GOBIN" ] && echo program > "$GOBIN/kind"; exit 0 ;;
esac
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH and a cache of the test's own."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("TACOTUNE_CACHE", str(tmp_path / "cache"))
    return folder


def install_go(path: Path, version: str = "1.26.8", build: str = ":") -> Path:
    calls = path.parent / "calls"
    calls.touch()
    (path / "go").write_text(GO.format(version=version, build=build, calls=calls))
    (path / "go").chmod(0o755)
    return calls


def test_a_program_is_built_once_and_then_found_without_go(path: Path) -> None:
    calls = install_go(path)
    assert build(["etcd", "kind", "etcd"]) == cache()
    assert sorted(p.name for p in cache().iterdir()) == ["etcd", "kind"]
    assert len(calls.read_text().splitlines()) == 2
    (path / "go").unlink()
    assert build(["kind", "etcd"]) == cache()


def test_two_runs_at_once_build_a_program_once(path: Path) -> None:
    calls = install_go(path, build="sleep 0.3")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert set(pool.map(build, [["etcd"]] * 3)) == {cache()}
    assert len(calls.read_text().splitlines()) == 1


def test_without_go_the_command_says_what_is_needed(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr("sys.argv", ["toolchain", "etcd"])
    assert main() == 69
    assert "needs Go 1.26 or newer (https://go.dev/dl/); there is no `go` on PATH" in capsys.readouterr().err


def test_an_older_go_is_named(path: Path) -> None:
    install_go(path, version="1.24.3")
    with pytest.raises(
        ToolchainError, match=r"needs Go 1\.26 or newer .*; here: go version go1\.24\.3"
    ) as error:
        build(["etcd"])
    assert error.value.code == 69


def test_a_build_that_fails_leaves_its_last_lines_and_no_program(path: Path) -> None:
    install_go(path, build="echo undefined: frob >&2; exit 1")
    with pytest.raises(ToolchainError, match=r"etcd could not be built .*\nundefined: frob"):
        build(["etcd"])
    assert list(cache().iterdir()) == []


def test_an_unknown_program_is_named_with_those_known() -> None:
    with pytest.raises(ToolchainError, match="unknown: etc; known: etcd, kube-apiserver"):
        build(["etc"])
