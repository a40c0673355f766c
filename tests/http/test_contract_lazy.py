"""Nothing is loaded by a read alone, in rows and in hooks; what is asked for is loaded. By async and sync drivers."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncSession
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    deferred,
    mapped_column,
    relationship,
    selectinload,
)

from splice import Database, Resource, install, private
from splice.bridge import run_on
from splice.loads import NotLoaded
from tests.databases.drivers import REPRESENTATIVES
from tests.http.conftest import Service


class Base(AsyncAttrs, DeclarativeBase): ...


class Writer(Base):
    __tablename__ = "writers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    story: Mapped[str | None] = mapped_column(sa.String(200), deferred=True)
    notes: Mapped[str | None] = mapped_column(sa.String(200), deferred=True, info=private)
    changes: Mapped[int] = mapped_column(server_default="0", onupdate=sa.text("changes + 1"))
    shouted: Mapped[str] = deferred(column_property(sa.func.upper(name, type_=sa.String())))
    posts: Mapped[list["Post"]] = relationship(back_populates="writer", cascade="all, delete-orphan")


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    writer_id: Mapped[int] = mapped_column(sa.ForeignKey("writers.id"))
    writer: Mapped[Writer] = relationship(back_populates="posts")
    comments: Mapped[list["Comment"]] = relationship(cascade="all, delete-orphan")


class Comment(Base):
    __tablename__ = "comments"
    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(sa.ForeignKey("posts.id"))


class PostRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    title: str


class WriterRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    posts: list[PostRead]


def build(db: Database[Any]) -> FastAPI:
    """Hooks and routes that do what `app.state.work` says, and keep what came of it."""
    app = FastAPI()
    install(app, db)
    app.state.writers, app.state.posts = Resource(Writer, db), Resource(Post, db)
    app.include_router(hooked(app.state.writers, app))
    app.include_router(hooked_posts(app.state.posts, app))
    app.include_router(routed(Resource(Writer, db, prefix="/rows"), db, app))
    app.include_router(routed(Resource(Writer, db, prefix="/read", read=WriterRead), db, app))
    if db.is_async:
        app.include_router(awaited(Resource(Writer, db, prefix="/awaited"), db, app))
    return app


def attempt(app: FastAPI, *arguments: Any) -> None:
    """Do the work of the test, inside of a hook or a route."""
    try:
        app.state.found = app.state.work(*arguments)
    except NotLoaded as error:
        app.state.found = error


def hooked(writers: Resource[Writer], app: FastAPI) -> Resource[Writer]:
    def hook(place: str) -> Callable[..., None]:
        def run(session: Session, writer: Writer, body: Any = None) -> None:
            if app.state.place == place:
                attempt(app, session, writer)
            elif app.state.place == "careless":
                app.state.work(session, writer)

        return run

    for place in ("before_create", "after_create", "before_update", "after_update", "before_delete"):
        getattr(writers, place)(hook(place))
    return writers


def hooked_posts(posts: Resource[Post], app: FastAPI) -> Resource[Post]:
    @posts.before_create
    def before(session: Session, post: Post, body: Any) -> None:
        if app.state.place == "a post to be":
            attempt(app, session, post)

    @posts.after_create
    def after(session: Session, post: Post, body: Any) -> None:
        if app.state.place == "a new post":
            attempt(app, session, post)

    return posts


def routed(writers: Resource[Writer], db: Database[Any], app: FastAPI) -> Resource[Writer]:
    session_dependency = db.session

    async def attempted(writer: Writer, session: Any) -> None:
        await run_on(session, lambda inner: attempt(app, inner, writer))

    @writers.get("/{id}/attempt")
    async def read(
        writer: Annotated[Writer, writers.row], session: Annotated[Any, session_dependency]
    ) -> None:
        await attempted(writer, session)

    @writers.post("/{id}/attempt")
    async def write(
        writer: Annotated[Writer, writers.row], session: Annotated[Any, session_dependency]
    ) -> None:
        await attempted(writer, session)

    @writers.post("/{id}/rename", response_model=writers.Read)
    async def rename(writer: Annotated[Writer, writers.row]) -> Writer:
        writer.name = "renamed"
        return writer

    @writers.get("/{id}/own", response_model=writers.Read)
    def own(writer: Annotated[Writer, writers.row]) -> Writer:
        return writer

    return writers


def awaited(writers: Resource[Writer], db: Database[Any], app: FastAPI) -> Resource[Writer]:
    session_dependency = db.session

    async def attempted(session: AsyncSession, writer: Writer) -> None:
        try:
            app.state.found = await app.state.work(session, writer)
        except NotLoaded as error:
            app.state.found = error

    @writers.after_update
    async def after_update(session: AsyncSession, writer: Writer, body: Any) -> None:
        await attempted(session, writer)

    @writers.get("/{id}/attempt")
    async def read(
        writer: Annotated[Writer, writers.row], session: Annotated[AsyncSession, session_dependency]
    ) -> None:
        await attempted(session, writer)

    return writers


@pytest.fixture(scope="module", params=[*REPRESENTATIVES, "sqlite3", "psycopg2", "pymysql"])
def running(request: pytest.FixtureRequest, serve: Any) -> Iterator[Service]:
    """The module's application on each dialect, by an async driver and by a sync one."""
    with serve(request.param) as service:
        yield service


HOOKS = ["before_update", "after_update", "before_delete"]
ROWS = ["row", "locked row"]
REQUESTS = {
    "before_create": ("POST", "/writers", {"name": "new"}),
    "after_create": ("POST", "/writers", {"name": "new"}),
    "before_update": ("PATCH", "/writers/101", {"name": "changed"}),
    "after_update": ("PATCH", "/writers/101", {"name": "changed"}),
    "before_delete": ("DELETE", "/writers/102", None),
    "a post to be": ("POST", "/posts", {"title": "new", "writer_id": 102}),
    "a new post": ("POST", "/posts", {"title": "new", "writer_id": 102}),
    "row": ("GET", "/rows/101/attempt", None),
    "locked row": ("POST", "/rows/101/attempt", None),
    "read row": ("GET", "/read/101/attempt", None),
    "async hook": ("PATCH", "/awaited/101", {"name": "changed"}),
    "async row": ("GET", "/awaited/101/attempt", None),
}


@pytest.fixture
def found(service: Service) -> Callable[..., Any]:
    """What comes of work in a hook or a route, with the session and the entity that are there."""
    service.store(Writer(id=101, name="Ada", story="long", notes="secret"), Writer(id=102, name="Bob"))
    service.store(*(Post(id=number, title=f"post {number}", writer_id=101) for number in (101, 102, 103)))
    state = service.app.state

    def found(place: str, work: Callable[..., Any]) -> Any:
        state.place, state.work, state.found = place, work, None
        method, path, body = REQUESTS[place]
        answer = service.client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return state.found

    return found


def read_posts(session: Session, writer: Writer) -> list[Post]:
    return writer.posts


@pytest.mark.parametrize("place", [*HOOKS, "after_create", *ROWS])
def test_a_relation_that_is_not_loaded_is_not_read(found, place):
    """It raises, and the message says how to load it."""
    error = found(place, read_posts)

    assert isinstance(error, NotLoaded)
    assert str(error) == (
        "Writer.posts is not loaded, and reading it would send a statement of its own; load it with "
        "`session.refresh(writer, ['posts'])`, or select it with selectinload(Writer.posts)"
    )


def test_the_parent_of_a_new_row_is_not_read(found):
    """A relation to one row is one, too."""
    assert "Post.writer is not loaded" in str(found("a new post", lambda _, post: post.writer))


def test_the_parent_of_a_row_that_is_not_stored_yet_is_not_read(found):
    """SQLAlchemy would say that there is none, although the row says which."""
    error = found("a post to be", lambda _, post: post.writer)

    assert str(error) == (
        "Post.writer is not loaded, the row is not stored yet; read what it refers to by a query of its own, such as "
        "`session.get(Writer, key)`"
    )


def test_a_row_that_is_not_stored_yet_knows_what_was_got(found, service):
    """A parent that is in the session is nothing to load, and nothing hangs on a row without a key."""

    def work(session: Session, post: Post) -> Any:
        writer = session.get_one(Writer, post.writer_id)
        return post.writer is writer, post.comments

    assert found("a post to be", work) == (True, [])
    assert service.stored(sa.select(Post.title, Post.writer_id).where(Post.title == "new")) == [("new", 102)]


@pytest.mark.parametrize("place", ["row", "after_create"])
def test_a_deferred_column_is_not_read(found, place):
    """It raises where answers do not show it, so that nothing else has loaded it."""
    error = found(place, lambda _, writer: writer.notes)

    assert isinstance(error, NotLoaded)
    assert "`session.refresh(writer, ['notes'])`, or select it with undefer(Writer.notes)" in str(error)


@pytest.mark.parametrize("place", [*ROWS, "after_update"])
def test_what_is_refreshed_can_be_read(found, place):
    """By name or whole; what was not named stays unread."""

    def work(session: Session, writer: Writer) -> Any:
        session.refresh(writer, ["posts", "notes"])
        session.refresh(writer)
        session.refresh(writer, ["notes", "posts"])
        return writer.notes, [post.title for post in writer.posts], writer.posts[0].writer is writer

    assert found(place, work) == ("secret", ["post 101", "post 102", "post 103"], True)


@pytest.mark.parametrize("place", [*ROWS, "after_update"])
def test_a_refresh_loads_nothing_else(found, place):
    """A row that was refreshed is as strict as before."""

    def work(session: Session, writer: Writer) -> Any:
        session.refresh(writer)
        return writer.posts

    assert isinstance(found(place, work), NotLoaded)


@pytest.mark.parametrize("place", ["row", "after_update"])
def test_what_hangs_on_a_row_is_not_loaded_either(found, place):
    """A loop over related rows would send a statement for each."""

    def work(session: Session, writer: Writer) -> Any:
        session.refresh(writer, ["posts"])
        return writer.posts[0].comments

    assert isinstance(found(place, work), NotLoaded)


@pytest.mark.parametrize("place", [*HOOKS, "before_create", "after_create", *ROWS])
def test_queries_load_what_they_say(found, place):
    """With `selectinload` and `get` nothing is left to be read."""

    def work(session: Session, writer: Writer) -> Any:
        other = session.scalars(
            sa.select(Writer).where(Writer.id == 101).options(selectinload(Writer.posts))
        ).one()
        return session.get_one(Post, 102).title, [post.id for post in other.posts]

    assert found(place, work) == ("post 102", [101, 102, 103])


def test_the_relations_of_a_model_of_ones_own_are_loaded(found):
    """A row has whatever answers show of it, and no more."""
    assert found("read row", lambda _, writer: [post.id for post in writer.posts]) == [101, 102, 103]


def test_a_column_that_a_flush_has_expired_can_be_read(found):
    """It was loaded, and the database has changed it."""

    def work(session: Session, writer: Writer) -> Any:
        writer.name = "flushed"
        session.flush()
        return writer.changes

    assert found("locked row", work) == 1


@pytest.mark.parametrize("place", ["before_delete", "after_create", "locked row"])
def test_a_unit_of_work_loads_what_it_needs(found, service, place):
    """A row that is given another parent, and a delete with its cascades."""

    def work(session: Session, writer: Writer) -> None:
        session.get_one(Post, 101).writer = Writer(name="heir")
        session.flush()
        session.delete(session.get_one(Writer, 101))
        session.flush()

    assert found(place, work) is None
    assert service.stored(sa.select(Post.id)) == [(101,)]


def test_the_delete_of_a_route_cascades(service):
    """What splice does itself between the hooks is not refused."""
    service.store(Writer(id=101, name="Ada"), Post(id=101, title="first", writer_id=101))
    service.app.state.place = None

    assert service.client.delete("/writers/101").status_code == 204
    assert service.stored(sa.select(Post.id)) == []


def test_a_hook_may_call_a_verb_that_has_hooks(found, service):
    """What is refused around it stays refused behind it."""

    def work(session: Session, writer: Writer) -> Any:
        service.app.state.posts.create(session, {"title": "nested", "writer_id": 101})
        return writer.posts

    assert isinstance(found("after_create", work), NotLoaded)


def test_other_entities_of_a_route_are_left_alone(found):
    """Only the row is splice's; a dependency with entities of its own goes on as it did."""

    def work(session: Session, writer: Writer) -> Any:
        other = session.get_one(Writer, 102)
        return other.posts

    assert found("row", work) == []


def test_entities_of_a_script_are_left_alone(service):
    """A verb leaves nothing behind in a session, hooks or not."""
    service.store(Writer(id=101, name="Ada"), Post(id=101, title="first", writer_id=101))
    service.app.state.place = None
    writers = service.app.state.writers

    with Session(service.witness.engine) as session:
        read = writers.read(session, 101).posts
        updated = writers.update(session, 101, values={"name": "Eve"}).posts
        assert [post.id for post in (*read, *updated)] == [101, 101]


def test_a_row_of_the_users_own_route_is_answered_whole(service):
    """Deferred columns are in the answer, of a row that was read and of one that was changed."""
    service.store(Writer(id=101, name="Ada", story="long"))

    read, renamed = service.client.get("/rows/101/own"), service.client.post("/rows/101/rename")

    assert (read.json()["story"], read.json()["shouted"]) == ("long", "ADA")
    assert (renamed.json()["story"], renamed.json()["shouted"]) == ("long", "RENAMED")


def test_relations_of_a_changed_row_are_answered(service):
    """They are read again, and the statements are the same however many rows there are."""
    service.store(Writer(id=101, name="Ada"), Post(id=101, title="first", writer_id=101))

    assert service.client.post("/read/101/rename").json() == {
        "id": 101,
        "posts": [{"id": 101, "title": "first"}],
    }


def test_a_hook_that_reads_rolls_back(service, caplog):
    """Nothing is stored, and the log has the advice."""
    service.store(Writer(id=101, name="Ada"))
    service.app.state.place, service.app.state.work = "careless", read_posts

    answer = service.client.patch("/writers/101", json={"name": "lost"})

    assert answer.status_code == 500
    assert "selectinload(Writer.posts)" in caplog.text
    assert service.stored(sa.select(Writer.name)) == [("Ada",)]


@pytest.fixture
def is_async(service: Service) -> None:
    """Only where sessions are awaited."""
    if not service.driver.is_async:
        pytest.skip("a session that nobody awaits")


@pytest.mark.parametrize("place", ["async hook", "async row"])
@pytest.mark.usefixtures("is_async")
def test_a_coroutine_is_told_to_await(found, place):
    """The message is for the session that it has."""

    async def work(session: AsyncSession, writer: Writer) -> Any:
        return writer.posts

    assert "load it with `await session.refresh(writer, ['posts'])`, or" in str(found(place, work))


@pytest.mark.parametrize("place", ["async hook", "async row"])
@pytest.mark.usefixtures("is_async")
def test_a_coroutine_is_told_of_expired_columns(found, place):
    """Nobody could wait for them there, of which a driver would say nothing that helps."""

    async def work(session: AsyncSession, writer: Writer) -> Any:
        session.expire(writer, ["name"])
        return writer.name

    assert "await session.refresh(writer, ['name'])" in str(found(place, work))


@pytest.mark.parametrize("place", ["async hook", "async row"])
@pytest.mark.usefixtures("is_async")
def test_what_is_awaited_is_loaded(found, place):
    """`awaitable_attrs` asks for an attribute by name, as `refresh` does."""

    async def work(session: AsyncSession, writer: Writer) -> Any:
        await session.refresh(writer)
        posts = await writer.awaitable_attrs.posts
        return [post.id for post in posts], await writer.awaitable_attrs.notes

    assert found(place, work) == ([101, 102, 103], "secret")
