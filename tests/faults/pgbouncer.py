"""A PgBouncer in front of a PostgreSQL: connections are lent for one transaction, and are fewer than the clients."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from splice.testing.servers import HOST, Home, home

__all__ = ["Bouncer", "find_pgbouncer", "pgbouncer"]

_CONFIGURATION = """
[databases]
* = host={url.host} port={url.port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {url.username}
pool_mode = transaction
default_pool_size = {connections}
server_round_robin = 1
max_client_conn = 200
"""


@dataclass(frozen=True)
class Bouncer:
    """A database behind a PgBouncer that runs."""

    url: URL

    @property
    def text(self) -> str:
        """The URL with its password."""
        return self.url.render_as_string(hide_password=False)

    def connections(self) -> int:
        """How many connections to the database it has."""
        with _connected(self.url.set(database="pgbouncer")) as connection:
            servers = connection.execute("SHOW SERVERS").fetchall()
        return sum(self.url.database in row for row in servers)

    @contextlib.contextmanager
    def busy(self, clients: int) -> Iterator[None]:
        """Let so many others ask without a pause until the end of the block: nobody gets the same connection twice."""
        ended = threading.Event()
        with ThreadPoolExecutor(clients) as threads:
            asking = [threads.submit(self._ask_until, ended) for _ in range(clients)]
            try:
                yield
            finally:
                ended.set()
        for each in asking:
            each.result()

    def _ask_until(self, ended: threading.Event) -> None:
        with _connected(self.url) as connection:
            while not ended.is_set():
                connection.execute("SELECT pg_sleep(0.03)")


def find_pgbouncer() -> Path | None:
    """Debian keeps the program in a folder that is only on root's path."""
    found = shutil.which("pgbouncer", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
    return Path(found) if found else None


@contextlib.contextmanager
def pgbouncer(program: Path, database: str, *, connections: int) -> Iterator[Bouncer]:
    """Run one in front of a database until the end of the block; it has so many connections at most."""
    url = make_url(database)
    # It refuses to run as root.
    with (
        home(owners=("postgres", "nobody")) as place,
        place.secret(f'"{url.username}" "{url.password}"\n') as users,
    ):

        def command(port: int) -> list[str]:
            text = _CONFIGURATION.format(url=url, host=HOST, port=port, users=users, connections=connections)
            return [str(program), str(_written(place, text))]

        def answers(port: int) -> bool:
            with contextlib.suppress(psycopg.OperationalError), _connected(url.set(host=HOST, port=port)):
                return True
            return False

        with place.serve("KILL", command, answers) as port:
            yield Bouncer(url.set(host=HOST, port=port))


def _written(place: Home, text: str) -> Path:
    file = place.path / "pgbouncer.ini"
    file.write_text(text)
    return file


def _connected(url: URL) -> contextlib.AbstractContextManager[psycopg.Connection]:
    return psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
        connect_timeout=2,
        autocommit=True,
        prepare_threshold=None,
    )
