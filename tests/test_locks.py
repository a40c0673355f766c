"""Advisory locks: one holder at a time, given back whatever happens."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from splice.errors import DatabaseUnavailable
from splice.locks import locked, locked_file


@pytest.fixture(params=["psycopg-sync", "pymysql"])
def engine(request, new_database):
    """An engine on a server, whose locks belong to connections."""
    made = sa.create_engine(new_database(request.param))
    yield made
    made.dispose()


def test_a_lock_has_one_holder(engine):
    """The second waits for its time, and then says so."""
    with engine.connect() as first, engine.connect() as second, locked(first, "splice.test", 1):
        begun = time.monotonic()
        refused = pytest.raises(DatabaseUnavailable, match="another process has held the lock for 1 second")
        with refused, locked(second, "splice.test", 1):
            pytest.fail("two hold the lock")

    assert time.monotonic() - begun >= 0.9


def test_a_lock_is_given_back_after_an_error(engine):
    """Also one that leaves the transaction unusable."""
    with engine.connect() as first, engine.connect() as second:
        with pytest.raises(sa.exc.DBAPIError), locked(first, "splice.test", 1):
            first.execute(sa.text("SELECT * FROM nowhere"))

        with locked(second, "splice.test", 1):
            pass


def test_a_lock_leaves_no_transaction_open(engine):
    """Who holds it begins and ends transactions of its own."""
    with engine.connect() as connection, locked(connection, "splice.test", 1):
        assert not connection.in_transaction()


def test_a_file_has_one_holder_and_is_gone_afterwards(tmp_path):
    """Each of several threads has it in turn; none finds it removed under its hands."""
    path, inside, most = tmp_path / "lock", [], []

    def work() -> None:
        for _ in range(5):
            with locked_file(path, 10):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 20
    assert not path.exists()


def test_a_file_that_is_held_is_waited_for_in_vain(tmp_path):
    """The error is that of every lock."""
    with (
        locked_file(tmp_path / "lock", 1),
        pytest.raises(DatabaseUnavailable),
        locked_file(tmp_path / "lock", 0),
    ):
        pytest.fail("two hold the lock")
