"""An application served by uvicorn, until a signal ends it."""

from __future__ import annotations

import copy
import errno
import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.supervisors import Multiprocess

from splice.errors import SetupError

__all__ = ["Address", "PlainStart", "free_address", "interrupted", "serve"]

_STARTUP_FAILURE: Final = 3
"""uvicorn's exit code for an application that could not start."""


_GRACE_SECONDS: Final = 10
"""How long running requests may take to finish after the signal to end."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """How to reach it from this machine."""
        near = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104  # not bound
        return f"http://{f'[{near}]' if ':' in near else near}:{self.port}"

    @property
    def is_open(self) -> bool:
        """Whether other machines may reach it."""
        return self.host != "localhost" and not self.host.startswith("127.") and self.host != "::1"


def free_address(host: str, port: int) -> Address:
    """An address that nobody listens at; port 0 chooses one.

    Raises:
        SetupError: It is taken, not allowed, or of another machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":  # On Windows it would let a port pass that somebody listens at.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetupError(_refused(error, host, port)) from error
        return Address(host, probe.getsockname()[1])


def _refused(error: OSError, host: str, port: int) -> str:
    if isinstance(error, PermissionError):
        return f"this user may not open port {port}; choose one above 1023: --port 8000"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; use --host 127.0.0.1, or 0.0.0.0 for every network"
    return f"port {port} of {host} is in use; end what listens there, or choose another: --port {port + 1}"


@contextmanager
def interrupted() -> Iterator[None]:
    """Have SIGTERM, and a terminal that closes, end the block by SystemExit, so that what is temporary is removed."""

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, leave)
    _end_with_terminal()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_with_terminal() -> None:
    """Take a hang-up for a SIGTERM, which uvicorn ends by; one that is ignored, as by nohup, stays so."""
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none.
    if hang_up is not None and signal.getsignal(hang_up) is signal.SIG_DFL:
        signal.signal(hang_up, lambda *_: signal.raise_signal(signal.SIGTERM))


def serve(app: str, folder: Path, address: Address, *, workers: int, watched: Path | None) -> int:
    """Serve what an import string names, and return the exit code.

    Args:
        app: `module:attribute`; each worker imports it.
        folder: Where the module is.
        address: Where to listen.
        workers: Processes.
        watched: The folder whose changes start the one process again; None for no watching.
    """
    options: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "log_config": _log_config(),
        "timeout_graceful_shutdown": _GRACE_SECONDS,
    }
    if workers > 1:
        return _serve_in_processes(uvicorn.Config(app, workers=workers, **options))
    if watched is not None:
        options |= {"reload": True, "reload_dirs": [str(watched)]}
    try:
        uvicorn.run(app, app_dir=str(folder), **options)
    except SystemExit as error:
        return 1 if error.code == _STARTUP_FAILURE else int(error.code or 0)
    return 0


def _serve_in_processes(config: uvicorn.Config) -> int:
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    failed = any(process.exitcode == _STARTUP_FAILURE for process in supervisor.processes)
    return 1 if failed else 0


def _log_config() -> Mapping[str, Any]:
    """Uvicorn's own, with failures at the start as one sentence; in every process, since it goes to each."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    if os.environ.get("SPLICE_DEBUG", "0") not in {"", "0"}:
        return config
    config["filters"] = {"plain": {"()": "splice.cli.serving.PlainStart"}}
    config["handlers"]["default"]["filters"] = ["plain"]
    return config


class PlainStart(logging.Filter):
    """Reduces the traceback of an application that could not start to what it says.

    There is only its text: Starlette hands no exception on to the server.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the message, and let every record pass."""
        text = record.getMessage()
        if text.startswith("Traceback (most recent call last)"):
            name, _, said = _raised(text).partition(": ")
            record.msg, record.args = (said if name.endswith("SetupError") else f"{name}: {said}"), ()
        return True


def _raised(traceback: str) -> str:
    """The line of the exception: the first behind the last frame; SQLAlchemy adds the statement and a link to it."""
    lines = traceback.strip().splitlines()
    last_of_frames = max(number for number, line in enumerate(lines) if line.startswith("  ") or number == 0)
    return lines[min(last_of_frames + 1, len(lines) - 1)]
