"""What reads and writes whole databases finds the faults that it is there for: each is put into a small one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install, read_only
from tests.corpora.reading import broken_references, misread, unfound
from tests.corpora.served import Served, serve
from tests.corpora.stored import changed, everything
from tests.corpora.writing import Known, unwritten

NOTHING: frozenset[str] = frozenset()
ALIKE = Known(unchangeable=frozenset({"members"}))
"""The one member has no other to take a value from."""


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    motto: Mapped[str | None] = mapped_column(info=read_only)


class Member(Base):
    __tablename__ = "members"

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))


class Loud(BaseModel):
    """An answer that shows another name than the stored one."""

    id: int
    name: str
    motto: str | None

    def model_post_init(self, _context: Any) -> None:
        self.name = self.name.upper()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with two teams and a member."""
    address = f"sqlite:///{tmp_path}/teams.db"
    engine = sa.create_engine(address)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(Team), [{"name": "red", "motto": "on"}, {"name": "blue", "motto": "up"}])
        connection.execute(sa.insert(Member).values(team_id=2))
    engine.dispose()
    return address


@contextmanager
def served(url: str, *, members: bool = True, **options: Any) -> Iterator[Served]:
    db = Database(url)
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Team, db, **options))
    if members:
        app.include_router(Resource(Member, db))
    with serve(app, url) as running:
        yield running


def test_a_whole_database_has_no_faults(url: str):
    """Where all is well there is nothing to say."""
    with served(url, marks={"motto": {}}) as running:
        database = everything(running.engine)

        assert misread(running, database, NOTHING) == []
        assert broken_references(running, database, NOTHING) == []
        assert unfound(running, database, NOTHING) == []
        assert unwritten(running, database, ALIKE) == []
        assert changed(database, everything(running.engine)) == []


def test_a_value_that_is_shown_otherwise_is_found(url: str):
    """One other letter is a difference, on both sides."""
    with served(url, read=Loud) as running:
        faults = misread(running, everything(running.engine), NOTHING)

        assert 'teams: only the API has [1, "RED", "on"]' in faults
        assert 'teams: only the database has [1, "red", "on"]' in faults


def test_a_row_that_only_one_side_has_is_found(url: str):
    """A row too many is told by its values and by the total."""
    with served(url) as running:
        before = everything(running.engine)
        running.client.post("/teams", json={"name": "green"})

        assert misread(running, before, NOTHING) == [
            'teams: only the API has [3, "green", null]',
            "teams: total is 3, but there are 2 rows",
        ]
        assert changed(before, everything(running.engine)) == ["teams"]


def test_a_table_that_is_not_served_is_found(url: str):
    """All tables are to be served, unless a test says that one is not."""
    with served(url, members=False) as running:
        database = everything(running.engine)

        assert misread(running, database, NOTHING) == ["members is not served"]
        assert misread(running, database, frozenset({"members"})) == []


def test_a_column_that_is_hidden_or_not_is_found(url: str):
    """What a test says is hidden has to be hidden, and nothing else."""
    with served(url) as running:
        faults = misread(running, everything(running.engine), frozenset({"teams.motto"}))

        assert faults == ["teams.motto is shown"]


def test_a_reference_to_nowhere_is_found(url: str):
    """A row whose target is gone is told, whether asked for by its address or by a filter."""
    with served(url) as running:
        database = everything(running.engine)
        with running.engine.begin() as connection:
            connection.execute(sa.delete(Team).where(Team.id == 2))

        faults = broken_references(running, database, NOTHING)

        assert any(fault.endswith("/teams/2 is 404") for fault in faults)
        assert "members.team_id: of 1 rows of teams the filter finds 0" in faults


def test_a_filter_that_finds_other_rows_is_found(url: str):
    """How many rows a filter finds is compared with how many have the value."""
    with served(url) as running:
        before = everything(running.engine)
        running.client.patch("/teams/1", json={"name": "blue"})

        (fault,) = unfound(running, before, NOTHING)

        assert fault.startswith("teams.name: 1 rows have 'blue', the filter answers 200:")


def test_a_table_that_cannot_be_written_is_found(url: str):
    """All tables with a key are to be written, unless a test says that one is not."""
    with served(url, only={"list", "read"}) as running:
        database = everything(running.engine)

        assert unwritten(running, database, ALIKE) == ["teams: cannot be written"]
        assert unwritten(running, database, replace(ALIKE, unwritable=frozenset({"teams"}))) == []
        assert unwritten(running, database, replace(ALIKE, unwritable=frozenset({"teams", "members"}))) == [
            "members: can be written"
        ]


def test_a_table_that_cannot_be_changed_is_found(url: str):
    """Where PATCH has nothing to change it proves nothing, and a test has to say so."""
    with served(url) as running:
        database = everything(running.engine)

        assert unwritten(running, database, Known()) == ["members: cannot be changed"]
        assert unwritten(running, database, Known(unchangeable=frozenset({"members", "teams"}))) == [
            "teams: can be changed"
        ]


def test_a_change_where_no_row_can_be_made_is_tried(url: str):
    """A table that takes no new rows has one of its rows changed."""
    with served(url, only={"list", "read", "update"}, members=False) as running:
        database = everything(running.engine)
        known = Known(unwritable=frozenset({"teams"}), unchangeable=frozenset({"teams"}))

        assert unwritten(running, database, known) == ["teams: can be changed"]
        assert changed(database, everything(running.engine)) == []
