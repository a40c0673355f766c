"""A project of its own for each test, whose suite is run by a pytest of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Loaded before any run in this process, which forgets what it has imported: not every module can be loaded twice.
import asyncpg  # noqa: F401  # see above
import httpx2  # noqa: F401  # see above
import pytest
import sqlalchemy.dialects.postgresql  # noqa: F401  # see above

import splice.migrations.commands  # noqa: F401  # see above

SUITES = Path(__file__).parent / "suites"
SETTINGS = """
[pytest]
splice_app = main:app
anyio_mode = auto
filterwarnings = error
addopts = --strict-markers --strict-config -p anyio -p no:cacheprovider
"""


@dataclass
class Project:
    """A user's project: files in a folder, and the settings of its pytest."""

    pytester: pytest.Pytester
    settings: str = SETTINGS
    conftest: str = 'pytest_plugins = ["splice.testing"]\n'
    files: dict[str, str] = field(default_factory=lambda: {"main.py": read("main.py")})

    def run(self, *options: str, **tests: str) -> pytest.RunResult:
        """Write the files and the tests, each under its name, and run pytest on them."""
        self.write(**tests)
        return self.pytester.runpytest_subprocess(*options, timeout=60)

    def run_here(self, *options: str, **tests: str) -> pytest.RunResult:
        """The same in this process, which is faster: for what does not depend on how plugins are loaded."""
        self.write(**tests)
        return self.pytester.runpytest_inprocess(*options)

    def write(self, **tests: str) -> None:
        """Write the files, and the tests, each under its name."""
        suites = {f"test_{name}.py": text for name, text in tests.items()}
        files = {"pytest.ini": self.settings, "conftest.py": self.conftest, **self.files, **suites}
        for name, text in files.items():
            path = self.pytester.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def read(name: str) -> str:
    return (SUITES / name).read_text(encoding="utf-8")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with the application of the suites, and the kit switched on."""
    # Plugins that other tests of splice want would be loaded, slowly, by each of these runs.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Project(pytester)


@pytest.fixture
def suite() -> Callable[[str], str]:
    """The text of one of the suites."""
    return read
