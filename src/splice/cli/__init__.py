"""The command `splice`: serve, look into and migrate what a project has."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["main"]

_NEEDED: Final = ("typer", "rich")
_DEBUG: Final = "--debug"
_INTERRUPTED: Final = 130
_VARIABLE: Final = "SPLICE_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the arguments of the process, or with these, and return its exit code.

    An error is one sentence on stderr; `--debug`, anywhere, or SPLICE_DEBUG=1 shows the traceback in its place.
    """
    missing = [name for name in _NEEDED if not _is_installed(name)]
    if missing:
        sys.stderr.write(
            f'error: the command splice needs {", ".join(missing)}; run: pip install "splice[cli]"\n'
        )
        return 1
    try:
        # Only now: these need what may be missing. It takes long enough to be interrupted.
        from splice.cli.commands import run
    except KeyboardInterrupt:
        return _INTERRUPTED

    given = list(sys.argv[1:] if arguments is None else arguments)
    if _DEBUG in given:
        os.environ[_VARIABLE] = "1"  # for the processes that serve, too
    debug = os.environ.get(_VARIABLE, "0") not in {"", "0"}
    return run([argument for argument in given if argument != _DEBUG], debug=debug)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
