"""Applications and models, found in the user's modules."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase

from splice.errors import SetupError
from splice.loading import import_from

__all__ = ["application_of", "load_application", "mapped_classes", "metadata_owner"]


def load_application(folder: Path, module: str, attribute: str) -> FastAPI:
    """The FastAPI application that a module has.

    Raises:
        SetupError: The module has nothing of this name, or something else.
    """
    loaded = import_from(folder, module)
    try:
        found = attrgetter(attribute)(loaded)
    except AttributeError:
        raise SetupError(_nothing_called(loaded, attribute)) from None
    if not isinstance(found, FastAPI):
        raise SetupError(
            f"{module}:{attribute} is {_what(found)}, not a FastAPI application{_fix(loaded, found)}"
        )
    return found


def application_of(module: ModuleType) -> str | None:
    """The name of a module's application, `app` if there are several; None without one."""
    names = [name for name, value in vars(module).items() if isinstance(value, FastAPI)]
    return "app" if "app" in names else (names[0] if names else None)


def _nothing_called(module: ModuleType, attribute: str) -> str:
    known = application_of(module)
    near = get_close_matches(attribute, list(vars(module)), n=1)
    said = f"{module.__name__} has no {attribute!r}"
    if known is not None:
        return f"{said}; its application is {known}: {module.__name__}:{known}"
    return f"{said}; did you mean {near[0]!r}?" if near else f"{said}; write app = FastAPI() there"


def _what(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"the function {value.__qualname__}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _fix(module: ModuleType, found: Any) -> str:
    known = application_of(module)
    if known is not None:
        return f"; that is {module.__name__}:{known}"
    if callable(found) and not isinstance(found, type) and hasattr(found, "__qualname__"):
        return f"; if it makes one, write app = {found.__name__}() in {module.__name__}"
    return f"; write app = FastAPI() in {module.__name__}, or name another module"


def mapped_classes(module: ModuleType, folder: Path) -> list[type[Any]]:
    """Every class with a table that a module has, or a package with all of its modules, in the order of their names."""
    modules = [module, *_below(module, folder)]
    inside = {each.__name__ for each in modules}
    seen = [value for each in modules for value in vars(each).values() if isinstance(value, type)]
    own = [cls for cls in dict.fromkeys(seen) if cls.__module__ in inside or cls in vars(module).values()]
    return sorted((cls for cls in own if _is_mapped(cls)), key=lambda cls: (cls.__name__, cls.__module__))


def _below(module: ModuleType, folder: Path) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module.__name__}."):
        if not found.name.endswith(".__main__"):
            yield import_from(folder, found.name)


def _is_mapped(cls: type[Any]) -> bool:
    mapper = sa.inspect(cls, raiseerr=False)
    return mapper is not None and getattr(mapper, "is_mapper", False)


def metadata_owner(cls: type[Any]) -> tuple[type[Any], str]:
    """Whose metadata has the table of a class: its declarative base, or the class itself; and the attribute's path."""
    for base in reversed(cls.__mro__):
        if issubclass(base, DeclarativeBase) and base is not DeclarativeBase:
            return base, "metadata"
    return cls, "metadata" if hasattr(cls, "metadata") else "__table__.metadata"
