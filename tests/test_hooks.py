"""Hooks that wait for a commit: what they are told of, and when."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from splice.database import Database
from splice.hooks import Change, has_committed, keep_committed, run_after_commit, run_committed


class Thing:
    """Stands for a model; a Change only names it."""


class Told(list[str]):
    """What a hook was told, and the hook itself."""

    def hook(self, _session: Session, change: Change) -> None:
        self.append(change.row["name"])


@pytest.fixture
def engine(tmp_path) -> Iterator[sa.Engine]:
    """One on which SAVEPOINT works: the driver's own BEGIN is off."""
    engine: Any = Database(f"sqlite+pysqlite:///{tmp_path}/app.db").engine
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session that no Database has made."""
    with Session(engine) as session:
        yield session


@pytest.fixture
def told() -> Told:
    return Told()


def write(session: Session, told: Told, name: str) -> None:
    """What a verb does: a statement, then the word that it was done."""
    session.execute(sa.text("SELECT 1"))
    run_after_commit([told.hook], session, Change("create", Thing, {"name": name}))


@contextlib.contextmanager
def undone(session: Session) -> Iterator[None]:
    """A savepoint that is rolled back."""
    savepoint = session.begin_nested()
    yield
    savepoint.rollback()


def test_they_run_at_the_commit_in_the_order_of_the_changes(session, told):
    """Each change is told once."""
    write(session, told, "first")
    write(session, told, "second")
    assert told == []

    session.commit()
    session.commit()

    assert told == ["first", "second"]


@pytest.mark.parametrize("end", [Session.rollback, Session.close])
def test_what_is_not_committed_is_told_to_nobody(session, told, end):
    """Neither at once nor by the next commit of the same session."""
    write(session, told, "gone")
    end(session)
    write(session, told, "kept")
    session.commit()

    assert told == ["kept"]


def test_a_savepoint_that_is_released_is_no_commit(session, told):
    """What it holds can still be rolled back with everything else."""
    with session.begin_nested():
        write(session, told, "gone")
    assert told == []

    session.rollback()
    session.commit()

    assert told == []


def test_a_savepoint_that_is_rolled_back_takes_its_changes_along(session, told):
    """Those around it are told by the commit."""
    write(session, told, "before")
    with undone(session):
        write(session, told, "gone")
    write(session, told, "after")
    session.commit()

    assert told == ["before", "after"]


def test_savepoints_in_savepoints_hand_their_changes_outwards(session, told):
    """A release counts as far as the next savepoint around it."""
    write(session, told, "first")
    with session.begin_nested():
        write(session, told, "second")
        with undone(session), session.begin_nested():
            write(session, told, "gone")
        with session.begin_nested():
            write(session, told, "third")
    session.commit()

    assert told == ["first", "second", "third"]


def test_a_commit_releases_the_savepoints_that_are_open(session, told):
    """SQLAlchemy releases them without being asked."""
    write(session, told, "first")
    session.begin_nested()
    write(session, told, "second")

    session.commit()

    assert told == ["first", "second"]


def test_a_session_inside_a_transaction_of_a_test_tells_at_its_own_commit(engine, told):
    """Its commit only releases a savepoint of the connection, but the application under test takes it for one."""
    with engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            write(session, told, "first")
            session.commit()
            write(session, told, "gone")
            session.rollback()
            write(session, told, "second")
            session.commit()
        outer.rollback()

    assert told == ["first", "second"]


def test_their_session_has_given_its_connection_back(engine, session):
    """A hook may take its time, or a connection of its own."""
    seen: list[int] = []
    pool: Any = engine.pool
    session.execute(sa.text("SELECT 1"))
    run_after_commit(
        [lambda _session, _change: seen.append(pool.checkedout())], session, Change("create", Thing, {})
    )

    session.commit()

    assert seen == [0]


def test_one_that_fails_does_not_stop_the_others(session, told, caplog):
    """The rows are stored; the log has what went wrong."""

    def fail(session: Session, change: Change) -> None:
        raise ZeroDivisionError

    session.execute(sa.text("SELECT 1"))
    with caplog.at_level(logging.ERROR, logger="splice"):
        run_after_commit([fail, told.hook], session, Change("create", Thing, {"name": "first"}))
        session.commit()

    assert told == ["first"]
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


def test_whoever_closes_the_session_may_run_them(session, told):
    """Kept, they run when they are asked for, once, and the session may be closed by then."""
    keep_committed(session)
    write(session, told, "first")
    assert not has_committed(session)

    session.commit()
    session.close()
    assert (told, has_committed(session)) == ([], True)

    run_committed(session)
    run_committed(session)
    assert (told, has_committed(session)) == (["first"], False)
