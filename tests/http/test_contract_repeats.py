"""A generated operation is run again whole after what passes by itself, and only where nobody else has a part in it.

Triggers of the databases make the failures: a sequence counts them, and no rollback takes its numbers back.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import Database, Resource, install
from splice.bridge import run_on
from tests.http.conftest import Service


class Base(DeclarativeBase): ...


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


def build(db: Database[Any]) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.state.committed = []
    items = Resource(Item, db)

    @items.after_commit
    def note(change: Any) -> None:
        app.state.committed.append(change.row["name"])

    app.include_router(items)
    app.include_router(hooked(Resource(Item, db, prefix="/hooked")))
    app.include_router(shared(db))
    app.include_router(routed(Resource(Item, db, prefix="/own"), db))
    return app


def hooked(items: Resource[Item]) -> Resource[Item]:
    @items.before_create
    def before(session: Session, item: Item, body: Any) -> None: ...

    return items


def shared(db: Database[Any]) -> Resource[Item]:
    session_dependency = db.session

    async def tenant(session: Annotated[Any, session_dependency]) -> None: ...

    return Resource(Item, db, prefix="/shared", dependencies=[Depends(tenant)])


def routed(items: Resource[Item], db: Database[Any]) -> Resource[Item]:
    session_dependency = db.session

    @items.post("/by-hand")
    async def store(session: Annotated[Any, session_dependency]) -> None:
        await run_on(session, lambda inner: (inner.add(Item(name="by hand")), inner.flush()))

    return items


# A failure at each of the first inserts, as the database itself reports it.

Failing = Callable[[int, str], Any]
SET_UP = {
    "postgresql": [
        "CREATE SEQUENCE tries",
        "CREATE TABLE plan (failures int, state text)",
        "INSERT INTO plan VALUES (0, '40001')",
        """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN IF nextval('tries') <= (SELECT failures FROM plan) THEN
               RAISE EXCEPTION 'made to fail' USING ERRCODE = (SELECT state FROM plan); END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER failing BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION fail()",
        """CREATE CONSTRAINT TRIGGER failing_late AFTER UPDATE ON items DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION fail()""",
    ],
    "mariadb": [
        "CREATE SEQUENCE tries",
        "CREATE TABLE plan (failures int)",
        "INSERT INTO plan VALUES (0)",
        """CREATE TRIGGER failing BEFORE INSERT ON items FOR EACH ROW
           IF NEXTVAL(tries) <= (SELECT failures FROM plan) THEN
               SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'made to fail'; END IF""",
    ],
}
RESTART = {"postgresql": "ALTER SEQUENCE tries RESTART", "mariadb": "ALTER SEQUENCE tries RESTART 1"}


@pytest.fixture(scope="module", params=["asyncpg", "psycopg2", "asyncmy", "pymysql"])
def running(request: pytest.FixtureRequest, serve: Any) -> Iterator[Service]:
    """The application on the databases that report such failures, by an async driver and by a sync one."""
    with serve(request.param) as service:
        with service.witness.begin() as session:
            for statement in SET_UP[service.dialect]:
                session.execute(sa.text(statement.replace(":", r"\:")))
        yield service


@pytest.fixture
def failing(service: Service) -> Failing:
    """Make the first inserts fail."""

    def failing(failures: int, state: str = "40001") -> None:
        service.app.state.committed.clear()
        with service.witness.begin() as session:
            session.execute(sa.text(RESTART[service.dialect]))
            session.execute(sa.text("UPDATE plan SET failures = :failures"), {"failures": failures})
            if service.dialect == "postgresql":
                session.execute(sa.text("UPDATE plan SET state = :state"), {"state": state})

    return failing


def tried(service: Service) -> int:
    """How often an insert has been tried since."""
    following = {"postgresql": "SELECT nextval('tries')", "mariadb": "SELECT NEXTVAL(tries)"}
    return int(service.stored(sa.text(following[service.dialect]))[0][0]) - 1


def test_a_create_is_run_again_until_it_is_stored(service, failing):
    """Once, however often it has failed; hooks after the commit run once too."""
    failing(5)

    answer = service.client.post("/items", json={"name": "one"})

    assert answer.status_code == 201
    assert tried(service) == 6
    assert service.stored(sa.select(Item.name)) == [("one",)]
    assert service.app.state.committed == ["one"]


def test_what_never_passes_ends(service, failing):
    """With 503, Retry-After, and nothing stored."""
    failing(1000)

    answer = service.client.post("/items", json={"name": "one"})

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/too-busy")
    assert answer.headers["retry-after"] == "1"
    assert tried(service) == 10
    assert service.stored(sa.select(Item.name)) == []


@pytest.mark.parametrize("path", ["/hooked", "/shared", "/own/by-hand"])
def test_what_others_have_a_part_in_is_run_once(service, failing, path):
    """A hook inside the transaction, a dependency on the session, a route of one's own: 503 says to send it again."""
    failing(1)

    first = service.client.post(path, json={"name": "one"})
    again = service.client.post(path, json={"name": "one"})

    assert (first.status_code, first.headers["retry-after"]) == (503, "1")
    assert again.is_success
    assert tried(service) == 2


def test_an_overridden_dependency_may_have_a_part_in_it(service, failing):
    """What stands in for another may work on the session, so nothing is repeated."""
    failing(1)
    service.app.dependency_overrides[print] = lambda: None
    try:
        answer = service.client.post("/items", json={"name": "one"})
    finally:
        service.app.dependency_overrides.clear()

    assert answer.status_code == 503
    assert tried(service) == 1


def test_a_commit_that_fails_is_run_again(service, failing):
    """The conflict shows at COMMIT alone, as SERIALIZABLE has it."""
    if service.dialect != "postgresql":
        pytest.skip("this database has no deferred trigger")
    failing(0)
    service.store(Item(id=1, name="one"))
    failing(3)

    answer = service.client.patch("/items/1", json={"name": "two"})

    assert answer.status_code == 200
    assert tried(service) == 4
    assert service.stored(sa.select(Item.name)) == [("two",)]


@pytest.mark.parametrize("state", ["23514", "57014", "22012"])
def test_what_does_not_pass_is_run_once(service, failing, state):
    """A rule that is not met, a statement that took too long, a mistake in a trigger."""
    if service.dialect != "postgresql":
        pytest.skip("the trigger of this database has one failure")
    failing(1, state)

    assert not service.client.post("/items", json={"name": "one"}).is_success
    assert tried(service) == 1
