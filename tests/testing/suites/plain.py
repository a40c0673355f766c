"""`def` tests, on any driver. Each one finds the database as if it were the first."""

import pytest
from main import Post, User, db
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from splice.testing import assert_problem


@pytest.fixture(autouse=True)
def empty(session):
    assert session.scalar(select(func.count()).select_from(User)) == 0
    session.rollback()


def names(session):
    return list(session.scalars(select(User.name).order_by(User.name)))


def test_the_client_sees_what_the_session_has_committed(client, session):
    session.add(User(name="ada"))
    session.commit()

    assert [user["name"] for user in client.get("/users").json()["items"]] == ["ada"]


def test_the_client_sees_what_the_session_has_flushed(client, session):
    session.add(User(name="ada"))
    session.flush()

    assert len(client.get("/users").json()["items"]) == 1


def test_the_session_sees_what_the_client_has_written(client, session):
    created = client.post("/users", json={"name": "ada"})
    ada = session.scalars(select(User)).one()
    client.patch(created.headers["location"], json={"name": "eve"})

    assert session.scalars(select(User)).one() is ada
    assert ada.name == "eve"


def test_a_refused_request_leaves_the_rest(client, session):
    client.post("/users", json={"name": "ada"})

    assert_problem(
        client.post("/users", json={"name": "ada"}), status=409, code="not-unique", pointer="/name"
    )
    assert names(session) == ["ada"]


def test_the_application_may_commit_and_roll_back(client, session):
    assert client.post("/commits").status_code == 200

    assert names(session) == ["kept"]


def test_the_application_may_open_units_of_its_own(client, session):
    assert client.post("/units").status_code == 200

    assert names(session) == ["of db.begin", "of db.run", "of the request"]


def test_the_session_may_roll_back(session):
    session.add(User(name="ada"))
    session.commit()
    session.add(User(name="ada"))
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()

    assert names(session) == ["ada"]


def test_the_session_may_nest(session):
    with session.begin_nested() as savepoint:
        session.add(User(name="ada"))
        savepoint.rollback() if not db.is_async else None
    session.add(User(name="eve"))
    session.commit()

    assert "eve" in names(session)


def test_a_session_of_its_own_for_each_database(database, session_for, session):
    session_for(database).add(User(name="never written"))

    assert database is db
    assert names(session) == []


def test_statements_of_the_application_are_counted(client, session, statements):
    session.add(User(name="ada", posts=[Post(), Post()]))
    session.commit()

    with statements.exactly(1):
        client.get("/posts")
    assert "posts" in statements.recorded[0]


@pytest.mark.real_commits
def test_commits_can_be_real(client, session):
    session.add(User(name="ada"))
    session.commit()
    client.post("/users", json={"name": "eve"})

    assert names(session) == ["ada", "eve"]


@pytest.mark.real_commits
def test_each_test_with_real_commits_has_its_own_database(client):
    assert client.get("/users").json()["items"] == []
    assert client.post("/users", json={"name": "ada"}).status_code == 201


@pytest.mark.real_commits
def test_in_a_database_of_its_own_units_run_side_by_side(client):
    assert client.post("/commits").status_code == 200
    assert [user["name"] for user in client.get("/users").json()["items"]] == ["kept"]
