"""The service as processes of its own, that can be ended in every way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import anyio
import httpx2
from anyio.to_thread import run_sync

from splice.testing.servers import HOST

__all__ = ["Running", "Service"]

ROOT = Path(__file__).parents[2]

_START_SECONDS = 20
_POLL_SECONDS = 0.02

# The shell becomes the service; what stays behind waits for the end of the pipe, which comes with the end of the tests.
_LIFELINE = """
exec 3<&0
( cat <&3 >/dev/null; kill -s KILL -- -$$ ) 2>/dev/null &
exec "$@" </dev/null 3<&-
"""


@dataclass(frozen=True)
class Service:
    """What is to run, and where: it may be started again and again, at the same address.

    Args:
        database: The URL of its database.
        port: Where it listens; kept free for it by `tests.databases.servers.reserved_port`.
        log: What its processes say, all of them and after each start.
        program: What is served: `module:attribute`.
        workers: Processes that serve it.
        server: Who serves it: uvicorn itself, or `splice serve`.
        options: Variables of its environment.
    """

    database: str = field(repr=False)
    port: int
    log: Path
    program: str = "tests.faults.application:app"
    workers: int = 1
    server: Literal["uvicorn", "splice"] = "uvicorn"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def failures(self) -> list[str]:
        """The lines of the log that tell of what nobody foresaw; driver's text in it is a case of its own."""
        signs = ("unhandled exception", "ERROR", "never retrieved", "never awaited")
        # What uvicorn says of requests that it gives up when the time to finish is over.
        foreseen = "timeout graceful shutdown exceeded"
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if any(sign in line for sign in signs) and foreseen not in line]

    @contextlib.contextmanager
    def started(self) -> Iterator[Running]:
        """Start the processes, not waiting for them, and end what is left of them after the block."""
        words = ["/bin/sh", "-c", _LIFELINE, "lifeline", *self._command()]
        environment = {**os.environ, "DATABASE_URL": self.database, **self.options}
        with self.log.open("a") as log:
            process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        running = Running(self, process)
        with process:
            try:
                yield running
            finally:
                running.kill()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """Run the service until the end of the block; it is ready when the block begins."""
        with self.started() as running:
            await running.ready()
            yield running

    def _command(self) -> list[str]:
        where = ["--host", HOST, "--port", str(self.port), "--workers", str(self.workers)]
        if self.server == "splice":
            return [sys.executable, "-m", "splice", "serve", self.program, *where]
        return [sys.executable, "-m", "uvicorn", self.program, *where, "--no-access-log"]


@dataclass(frozen=True)
class Running:
    """The processes of a service: one, or a supervisor and its workers."""

    service: Service
    process: subprocess.Popen[bytes]

    async def ready(self, within_seconds: float = _START_SECONDS) -> float:
        """Wait until the service says that it is ready; how long that took, in seconds."""
        start = time.monotonic()
        async with httpx2.AsyncClient(base_url=self.service.address, timeout=5) as client:
            while not await _is_ready(client):
                if self.process.poll() is not None or time.monotonic() > start + within_seconds:
                    log = self.service.log.read_text(errors="replace")[-4000:]
                    raise RuntimeError(f"the service did not start:\n{log}")
                await anyio.sleep(_POLL_SECONDS)
        return time.monotonic() - start

    def kill(self) -> None:
        """End all processes at once, as `kill -9` does, and wait until they are gone."""
        # The end of the lifeline stays in the group: its id is nobody else's as long as the pipe is open.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> None:
        """Ask the service to end."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, within_seconds: float) -> int:
        """Wait until the service has ended by itself; its exit code."""
        return await run_sync(self.process.wait, within_seconds)


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return (await client.get("/ready")).status_code == 200
    return False
