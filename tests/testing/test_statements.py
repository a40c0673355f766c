"""Counting statements, and what is said of too many."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, event, func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session, lazyload, selectinload

from splice import Database
from splice.testing import count_statements
from tests.testing.service import Post, User, service


@pytest.fixture(params=["sqlite+pysqlite:////nowhere/app.db", "sqlite:////nowhere/app.db"])
def app(request):
    """The service, on a sync and on an async driver."""
    return service(Database(request.param))


def read(session, work):
    """Run a function of a Session where it may load what is missing, whichever session it is."""
    return session.run_sync(work) if hasattr(session, "run_sync") else work(session)


@pytest.fixture
def people(session):
    """Five users with two posts each, of which the session remembers nothing."""
    session.add_all([User(name=f"user {number}", posts=[Post(), Post()]) for number in range(5)])
    session.commit()
    session.expunge_all()
    return session


def count_posts(session, *options):
    return [len(user.posts) for user in session.scalars(select(User).options(*options))]


def count_posts_one_by_one(session):
    keys = session.scalars(select(User.id)).all()
    return [session.scalar(select(func.count()).where(Post.user_id == key)) for key in keys]


def count_users(session, times):
    return [session.scalar(select(func.count(User.id))) for _ in range(times)]


ADVICE = (
    "N+1: User.posts was loaded 5 times, once for each User. Load it for all of them at once: "
    "select(User).options(selectinload(User.posts))."
)


def test_a_lazy_relation_is_named(people, statements):
    """An N+1 pattern is told by the relation, how often it was loaded, and what loads it at once."""
    with pytest.raises(AssertionError) as failure, statements.at_most(2):
        read(people, count_posts)

    assert str(failure.value).splitlines() == [
        "6 statements, at most 2 allowed",
        "   1. SELECT users.id, users.name FROM users",
        "   2. SELECT posts.id, posts.user_id FROM posts WHERE ? = posts.user_id",
        "      5 times: 2, 3, 4, 5, 6",
        ADVICE,
    ]


def test_a_relation_to_one_is_named_too(people, statements):
    """The other way round, each row asks for the one that it belongs to."""

    def names(session):
        return [post.user.name for post in session.scalars(select(Post))]

    with pytest.raises(AssertionError, match=r"N\+1: Post\.user was loaded 5 times"), statements.at_most(1):
        read(people, names)


def test_what_a_lazy_load_brings_along_is_not_counted_with_it(people, statements):
    """Of the two statements that each lazy load sends here, one loads the relation that it is called by."""

    def names(session):
        brings_along = lazyload(Post.user).selectinload(User.posts)
        return [post.user.name for post in session.scalars(select(Post).options(brings_along))]

    with (
        pytest.raises(AssertionError, match=r"(?s)^11 statements.*Post\.user was loaded 5 times"),
        statements.at_most(1),
    ):
        read(people, names)


def test_nothing_listens_after_a_block():
    """Sessions outside of a block, of whatever application, are as they were."""
    engine, options = create_engine("sqlite://"), []
    with Session(engine) as session:
        event.listen(
            session, "do_orm_execute", lambda state: options.append(dict(state.local_execution_options))
        )
        with count_statements(engine).recording():
            session.execute(select(1))
        session.execute(select(1))
    engine.dispose()

    assert ["splice_relation" in each for each in options] == [True, False]


def test_what_is_advised_helps(people, statements):
    """The option of the message brings the statements down to two."""
    with statements.exactly(2):
        assert read(people, lambda session: count_posts(session, selectinload(User.posts))) == [2] * 5


def test_a_loop_of_queries_is_named(people, statements):
    """A statement that runs once for each row is pointed out where no relation is involved."""
    with (
        pytest.raises(AssertionError, match=r"N\+1: statement 2 ran 5 times\. Ask once for all rows"),
        statements.at_most(1),
    ):
        read(people, count_posts_one_by_one)


def test_many_repetitions_are_folded(people, statements):
    """Of many numbers the first and the last are shown."""
    with pytest.raises(AssertionError, match="12 times: 1, 2, 3, 4, …, 12"), statements.at_most(1):
        count_users(people, times=12)


def test_two_of_a_kind_are_no_pattern(people, statements):
    """A statement that runs twice may be meant so."""
    with pytest.raises(AssertionError) as failure, statements.at_most(1):
        count_users(people, times=2)

    assert "N+1" not in str(failure.value)


def test_too_few_are_told_too(client, statements):
    """`exactly` fails in both directions."""
    with pytest.raises(AssertionError, match=r"^1 statement, not 2\n"), statements.exactly(2):
        client.get("/users")


def test_savepoints_are_not_counted(client, statements):
    """What isolation adds around a request is none of the application's statements."""
    with statements.recording():
        client.post("/users", json={"name": "ada"})
        client.post("/users", json={"name": "ada"})

    assert {text.split()[0] for text in statements.recorded} == {"INSERT", "SELECT"}


def test_each_block_counts_for_itself(client, statements):
    """What was sent before a block, or after it, is not in it."""
    client.get("/users")
    with statements.exactly(1):
        client.get("/users")
    client.get("/users")
    with statements.exactly(0):
        pass

    assert statements.recorded == []


def test_an_error_of_the_block_is_not_hidden(client, statements):
    """A test that fails inside of a block fails for its own reason."""
    with pytest.raises(ZeroDivisionError), statements.exactly(7):
        client.get(1 / 0)


def test_an_engine_can_be_counted():
    """`count_statements` needs neither a fixture nor a Database."""
    engine = create_engine("sqlite://")
    counter = count_statements(engine)

    with counter.exactly(2), Session(engine) as session:
        session.execute(select(1))
        session.execute(select(2))

    assert counter.recorded == ["SELECT 1", "SELECT 2"]
    engine.dispose()


async def test_several_sources_are_counted_together(tmp_path):
    """Databases and async engines may be counted side by side; afterwards nothing listens."""
    db, engine = Database(f"sqlite:///{tmp_path}/app.db"), create_async_engine("sqlite+aiosqlite://")
    counter = count_statements(db, engine)

    with counter.exactly(2):
        await db.run(lambda session: session.execute(select(1)))
        async with engine.connect() as connection:
            await connection.execute(select(2))
    await db.run(lambda session: session.execute(select(3)))

    assert counter.recorded == ["SELECT 1", "SELECT 2"]
    await db.close()
    await engine.dispose()
