"""A project in a temporary folder, whose migrations run on a database of the test's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from splice import Database
from splice.bridge import run_on
from splice.migrations import commands
from splice.migrations.project import Project, open_project
from splice.settings import Settings


class Migrated:
    """A project and a database, with one method for each command."""

    def __init__(self, folder: Path, url: str) -> None:
        self.settings = Settings(root=folder, folder=folder / "migrations")
        self.db: Database[Any] = Database(url)
        self.ran: list[str] = []
        (self.settings.folder / "versions").mkdir(parents=True, exist_ok=True)

    @property
    def project(self) -> Project:
        return open_project(self.settings)

    def models(self, reference: str) -> None:
        self.settings = Settings(
            root=self.settings.root, folder=self.settings.folder, metadata=(f"tests.migrations.{reference}",)
        )

    async def run(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        async with self.db.begin() as session:
            return await run_on(session, lambda sync: work(sync, *args, **options))

    async def revise(self, message: str = "change", *, empty: bool = False) -> commands.Revised:
        if empty:
            return commands.revise(None, self.project, message)
        return await self.run(commands.revise, self.project, message)

    async def upgrade(self, target: str = "heads") -> None:
        await self.run(commands.move, self.project, "upgrade", target, self.report)

    async def downgrade(self, target: str = "base") -> None:
        await self.run(commands.move, self.project, "downgrade", target, self.report)

    async def check(self) -> tuple[str, ...]:
        return await self.run(commands.compare, self.project)

    async def standing(self) -> Any:
        return await self.run(commands.standing, self.project)

    async def execute(self, statement: Any, values: Any = None) -> Any:
        def work(session: Session) -> Any:
            result: Any = session.execute(
                sa.text(statement) if isinstance(statement, str) else statement, values
            )
            return result.all() if result.returns_rows else None

        return await self.run(work)

    def report(self, direction: str, script: Any) -> None:
        self.ran.append(f"{direction} {script.doc}")

    def text(self) -> str:
        """All revisions as they were written, the oldest first."""
        return "\n".join(file.read_text() for file in sorted(self.settings.folder.glob("versions/*.py")))


@pytest.fixture
async def migrated(tmp_path: Path, database_url: str) -> Any:
    """A project without migrations on an empty database, once per dialect."""
    made = Migrated(tmp_path, database_url)
    yield made
    await made.db.close()


@pytest.fixture
def project_on(tmp_path: Path) -> Callable[[str], Migrated]:
    """Make a project on the database of a URL."""
    return functools.partial(Migrated, tmp_path)
