"""Try splice on the oldest and the newest versions that it allows, and keep the table that says so.

The oldest FastAPI and SQLAlchemy are the floors in `pyproject.toml`, the newest are the pins in
`constraints.txt`. For each pair of a Python and such a set an environment is made under `.venvs/`; the
quick tests run there on SQLite.

    python scripts/support.py           try all pairs and write docs/reference/support.md
    python scripts/support.py --check   try all pairs and fail where the page says something else

A Python that is not installed is reported as not tested; `SPLICE_REQUIRE_PYTHONS=3.11,3.13` makes that a
failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "support.md"
PYTHONS = ("3.11", "3.13")
LIBRARIES = ("fastapi", "sqlalchemy")
INTRODUCTION = """# Supported versions

The quick tests run on every line of this table; `scripts/support.py` writes it, and `make check-all` fails where
it is not true. Any version between the oldest and the newest is expected to work.

"""


@dataclass(frozen=True)
class Pair:
    """One Python with one set of library versions."""

    python: str
    age: str
    fastapi: str
    sqlalchemy: str

    @property
    def folder(self) -> Path:
        return ROOT / ".venvs" / f"{self.python}-{self.age}"

    @property
    def row(self) -> str:
        return f"| {self.python} | {self.age} | {self.fastapi} | {self.sqlalchemy} |"


def main(arguments: list[str]) -> int:
    """Try every pair; write the page or compare it. Returns the exit status."""
    found = {version: find_python(version) for version in PYTHONS}
    failed = [pair for pair in pairs() if (python := found[pair.python]) and not passes(pair, python)]
    lacking = [version for version, python in found.items() if python is None]
    report(failed, lacking)
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
    stale = PAGE.read_text(encoding="utf-8") != page()
    if stale:
        print(f"{PAGE.relative_to(ROOT)} differs from what was tested: run scripts/support.py")
    return int(bool(failed) or stale or bool(required() & set(lacking)))


def page() -> str:
    """The page as it should be: the declared versions, one line a pair."""
    head = "| Python | | FastAPI | SQLAlchemy |\n|---|---|---|---|\n"
    return INTRODUCTION + head + "".join(f"{pair.row}\n" for pair in pairs())


def pairs() -> Iterator[Pair]:
    """Each Python with the oldest libraries and with the newest."""
    for python in PYTHONS:
        yield Pair(python, "oldest", **floors())
        yield Pair(python, "newest", **pins())


def floors() -> dict[str, str]:
    """The lowest versions that `pyproject.toml` allows, with all three numbers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = (re.match(r"([a-z]+)(?:\[[a-z]+\])?>=([\d.]+)", line) for line in project["dependencies"])
    return {name: full(version) for name, version in named(match.groups() for match in found if match)}


def full(version: str) -> str:
    return ".".join([*version.split("."), "0", "0"][:3])


def pins() -> dict[str, str]:
    """The versions that development uses, which are the newest known to work."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().split()
    return dict(named(line.split("==") for line in lines))


def named(versions: Iterable[Iterable[str]]) -> Iterator[tuple[str, str]]:
    """Those of the libraries that the table is about."""
    for name, version in versions:
        if name in LIBRARIES:
            yield name, version


def find_python(version: str) -> str | None:
    """A Python of that version that really starts: a name on the path can be an empty shim."""
    candidates = [sys.executable, shutil.which(f"python{version}"), *known_places(version)]
    return next((python for python in candidates if python and is_version(python, version)), None)


def known_places(version: str) -> list[str]:
    return [
        str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    ]


def is_version(python: str, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == version


def passes(pair: Pair, python: str) -> bool:
    """Make the environment of a pair, and run the quick tests in it."""
    print(f"Python {pair.python}, FastAPI {pair.fastapi}, SQLAlchemy {pair.sqlalchemy}", flush=True)
    install(pair, python)
    tests = [pair.folder / "bin" / "python", "-m", "pytest", "-q", "-rfE", "-n", "2", "--ignore=tests/docs"]
    environment = os.environ | {"SPLICE_DATABASES": "sqlite", "SPLICE_REQUIRE_DATABASES": "sqlite"}
    return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode == 0


def install(pair: Pair, python: str) -> None:
    """Bring the environment of a pair to the versions it is for."""
    if not pair.folder.exists():
        subprocess.run([python, "-m", "venv", pair.folder], check=True)
    constraints = pair.folder / "constraints.txt"
    constraints.write_text("\n".join(constraints_of(pair)), encoding="utf-8")
    pip = [pair.folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", constraints, "--upgrade", "pip"], check=True, cwd=ROOT)
    splice = ["-e", ".[postgresql,mariadb,standard,testing]", "--group", "test"]
    subprocess.run(
        [*pip, "-c", constraints, "--build-constraint", constraints, *splice], check=True, cwd=ROOT
    )


def constraints_of(pair: Pair) -> list[str]:
    """The pins of development, with the libraries of the table replaced."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    others = [line for line in lines if line.lower().split("==")[0] not in LIBRARIES]
    return [*others, f"fastapi=={pair.fastapi}", f"sqlalchemy=={pair.sqlalchemy}"]


def required() -> set[str]:
    return set(os.environ.get("SPLICE_REQUIRE_PYTHONS", "").split(","))


def report(failed: list[Pair], lacking: list[str]) -> None:
    for pair in failed:
        print(f"failed: {pair.row}")
    for version in lacking:
        print(f"not tested: Python {version} is not installed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
