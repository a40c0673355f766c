"""Python modules of the user's, imported, and what is in them; whatever goes wrong there is said in one sentence."""

from __future__ import annotations

import gc
import importlib
import linecache
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from splice.errors import SetupError

__all__ = ["databases_of", "described", "import_from", "load", "seen_from"]


def import_from(folder: Path, name: str) -> ModuleType:
    """Import a module as Python would that was started in this folder.

    Raises:
        SetupError: There is no such module, or it fails while it is imported; the message says where.
    """
    hidden = _hidden(folder, name)
    if hidden is not None:
        raise SetupError(
            f"{hidden} cannot be imported: a module of this name is in use by splice itself; rename it"
        )
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with _uncollected():
            return importlib.import_module(name)
    except (SetupError, KeyboardInterrupt, GeneratorExit):
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise SetupError(_missing(folder, name)) from None
        raise _failure(error, name, folder) from error
    except SystemExit as error:
        raise SetupError(
            f"{name} ended the program while it was imported; put that under __main__"
        ) from error
    except BaseException as error:
        raise _failure(error, name, folder) from error


def _hidden(folder: Path, name: str) -> Path | None:
    """The file or folder that is meant, where Python would give another module that is loaded already."""
    root = name.partition(".")[0]
    meant = next((path for path in (folder / f"{root}.py", folder / root) if path.exists()), None)
    place = getattr(sys.modules.get(root), "__file__", None)
    foreign = root in {*sys.stdlib_module_names, "splice"} or "site-packages" in Path(place or "").parts
    elsewhere = place is None or not Path(place).is_relative_to(folder)
    return meant if root in sys.modules and foreign and elsewhere else None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which finds nothing here and takes a sixth of the time of 400 models."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def load(folder: Path, reference: str) -> Any:
    """What `module:attribute` refers to; the module is imported as Python would that was started in this folder.

    Raises:
        SetupError: The module cannot be imported, or has no such attribute.
    """
    name, _, attribute = reference.partition(":")
    if not name or not attribute:
        raise SetupError(f"{reference!r} is no reference; write it as module:attribute, such as models:Base")
    module = import_from(folder, name)
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        near = get_close_matches(attribute, list(vars(module)), n=1)
        hint = f"did you mean {name}:{near[0]}?" if near else f"correct {reference!r}"
        raise SetupError(f"{name} has no {attribute!r}; {hint}") from None


def databases_of(app: Any) -> Sequence[Any]:
    """The Databases of an application with `install`; found by name, since applications lie far above."""
    return tuple(getattr(getattr(getattr(app, "state", None), "splice", None), "databases", ()))


# Failures.


def _missing(folder: Path, name: str) -> str:
    near = get_close_matches(name, list(_modules_in(folder)), n=1)
    hint = f"did you mean {near[0]}?" if near else "correct the name, or start in the folder that has it"
    return f"there is no module {name} in {folder}; {hint}"


def _modules_in(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.py"):
        yield path.stem
    for path in folder.glob("*/*.py"):
        yield path.parent.name if path.name == "__init__.py" else f"{path.parent.name}.{path.stem}"


def _failure(error: BaseException, module: str, folder: Path) -> SetupError:
    """What a module has done while it was imported."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return SetupError(f"{seen_from(folder, error.filename)}, line {error.lineno}: {error.msg}")
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        return SetupError(
            f"{_place(error, folder, module)}: {error}; install the package that has {package}, into the environment "
            "that splice runs in"
        )
    if isinstance(error, KeyError) and _is_of_environment(error):
        return SetupError(
            f"{_place(error, folder, module)}: the environment variable {error.args[0]} is not set; export it"
        )
    return SetupError(f"{_place(error, folder, module)}: {described(error)}")


def _is_of_environment(error: KeyError) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__") == "os"


def _place(error: BaseException, folder: Path, otherwise: str) -> str:
    """The innermost line of an error that is the user's own: `models.py, line 3`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename, folder)]
    return f"{seen_from(folder, frames[-1].filename)}, line {frames[-1].lineno}" if frames else otherwise


def _is_own(filename: str, folder: Path) -> bool:
    path = Path(filename)
    return (
        path.is_relative_to(folder)
        and "site-packages" not in path.parts
        and bool(linecache.getline(filename, 1))
    )


def seen_from(folder: Path, filename: str) -> str:
    """The name of a file as one calls it who stands in a folder."""
    path = Path(filename)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def described(error: BaseException) -> str:
    """The class of an error and what it says, on one line."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
