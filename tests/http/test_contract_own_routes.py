"""Routes of one's own on a Resource: their place, their rows, and the unit of work that they share."""

import datetime as dt
import threading
from typing import Annotated, Any

import anyio.to_thread
import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi import Query as Parameter
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Query, Resource, install
from splice.errors import Conflict


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    published: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(sa.String(10), server_default="draft")
    version: Mapped[int] = mapped_column()
    updated_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True), onupdate=sa.func.now())
    __mapper_args__ = {"version_id_col": version}


class Pair(Base):
    __tablename__ = "pairs"
    left: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    right: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str | None] = mapped_column(sa.String(20))


class Gate:
    """Lets another transaction in between a read and a write."""

    def __init__(self) -> None:
        self.read, self.changed = threading.Event(), threading.Event()


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.state.gate = Gate()
    app.include_router(own_posts(db, app))
    app.include_router(replaced_posts(db))
    app.include_router(guarded_posts(db))
    app.include_router(own_pairs(db))
    return app


def own_posts(db: Database, app: FastAPI) -> Resource[Post]:
    posts = Resource(Post, db)
    session_dependency = db.session

    @posts.post("/{id}/publish", response_model=posts.Read)
    async def publish(post: Annotated[Post, posts.row]) -> Post:
        post.published = True
        return post

    @posts.post("/{id}/hide", response_model=posts.Read)
    def hide(post: Annotated[Post, posts.row]) -> Post:
        post.published = False
        post.title = "hidden"
        return post

    @posts.get("/{id}/title")
    def title(post: Annotated[Post, posts.row]) -> str:
        return post.title

    @posts.post("/quick", response_model=posts.Read, status_code=201)
    async def quick(session: Annotated[AsyncSession, session_dependency]) -> Post:
        post = Post(title="quick")
        session.add(post)
        return post

    @posts.post("/pair", response_model=list[posts.Read])
    async def pair(session: Annotated[AsyncSession, session_dependency]) -> list[Post]:
        posts = [Post(title="a"), Post(title="b")]
        session.add_all(posts)
        return posts

    @posts.post("/refused")
    async def refused(session: Annotated[AsyncSession, session_dependency]) -> None:
        session.add(Post(title="lost"))
        await session.flush()
        raise Conflict("on second thoughts")

    @posts.post("/typed")
    async def typed(session: Annotated[AsyncSession, session_dependency], body: posts.Create) -> str:
        return body.title

    read_posts(posts)
    slow_posts(posts, app, db.session)
    return posts


def read_posts(posts: Resource[Post]) -> None:
    @posts.get("/search")
    async def search(query: Annotated[Query, posts.query], shout: bool = False) -> dict[str, Any]:
        return {
            "fields": [condition.path for condition in query.filter.parts],
            "limit": query.limit,
            "shout": shout,
        }


def slow_posts(posts: Resource[Post], app: FastAPI, session_dependency: Any) -> None:
    @posts.post("/{id}/slow")
    async def slow(id: int, session: Annotated[AsyncSession, session_dependency]) -> int:
        post = await session.get_one(Post, id)
        app.state.gate.read.set()
        await anyio.to_thread.run_sync(app.state.gate.changed.wait, 5)
        post.title = "slow"
        return id


def replaced_posts(db: Database) -> Resource[Post]:
    posts = Resource(Post, db, prefix="/replaced")

    @posts.get("/{post_id}")
    async def read(post_id: int) -> str:
        return f"my own {post_id}"

    @posts.post("")
    def create() -> str:
        return "my own"

    return posts


def guarded_posts(db: Database) -> Resource[Post]:
    async def signed_in(response: Response, token: Annotated[str | None, Header()] = None) -> None:
        if token is None:
            raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
        response.headers["X-Signed-In"] = token
        response.set_cookie("seen", "yes")

    async def counted(
        session: Annotated[AsyncSession, db.session], fail: Annotated[str | None, Header()] = None
    ) -> None:
        session.add(Post(title="by the way"))
        if fail:
            await session.flush()
            raise HTTPException(403, "not you")

    return Resource(Post, db, prefix="/guarded", dependencies=[Depends(signed_in), Depends(counted)])


def own_pairs(db: Database) -> Resource[Pair]:
    pairs = Resource(Pair, db)

    @pairs.post("/{left}/{right}/swap", response_model=pairs.Read)
    def swap(pair: Annotated[Pair, pairs.row]) -> Pair:
        pair.note = "swapped"
        return pair

    @pairs.get("/{left}/about")
    def about(left: int, plain: Annotated[bool, Parameter()] = False) -> str:
        return f"all about {left}"

    return pairs


@pytest.fixture
def post(client) -> int:
    """The key of a post."""
    return client.post("/posts", json={"title": "one"}).json()["id"]


@pytest.mark.parametrize(
    ("verb", "published", "title"), [("publish", True, "one"), ("hide", False, "hidden")]
)
def test_a_changed_entity_is_answered_as_it_is_stored(service, post, verb, published, title):
    """`def` and `async def` alike: what is returned is flushed and refreshed first, the database's part included."""
    answer = service.client.post(f"/posts/{post}/{verb}")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["published"], answer.json()["title"]) == (published, title)
    assert answer.json() == service.client.get(f"/posts/{post}").json()
    assert (answer.json()["version"] == 2) == (answer.json()["updated_at"] is not None)


def test_new_entities_are_answered_with_what_the_database_made(client):
    """Keys and server defaults stand in the answer, of one row and of many."""
    one = client.post("/posts/quick").json()
    many = client.post("/posts/pair").json()

    assert one == client.get(f"/posts/{one['id']}").json()
    assert one["status"] == "draft"
    assert [row["id"] for row in many] == sorted(row["id"] for row in many)
    assert many == client.get("/posts?title=a&title=b").json()["items"]


@pytest.mark.parametrize(("method", "path"), [("POST", "publish"), ("POST", "hide"), ("GET", "title")])
def test_a_row_that_is_missing_is_not_found(client, method, path):
    """`row` answers 404 before the route runs, and 422 for a key that no row can have."""
    assert client.request(method, f"/posts/2147483647/{path}").status_code == 404
    assert client.request(method, f"/posts/x/{path}").json()["errors"][0]["parameter"] == "id"


def test_a_row_may_be_read_only(service, post):
    """GET takes no lock, and changes nothing."""
    with service.watching() as statements:
        answer = service.client.get(f"/posts/{post}/title")

    assert answer.json() == "one"
    assert not any("FOR UPDATE" in statement or statement.startswith("UPDATE") for statement in statements)


def test_a_row_to_be_changed_is_locked(service, post):
    """Other methods read the row under its lock, where the database has any."""
    with service.watching() as statements:
        service.client.post(f"/posts/{post}/publish")

    locked = any("FOR UPDATE" in statement for statement in statements)
    assert locked == (service.dialect != "sqlite")


def test_a_problem_rolls_the_unit_back(service):
    """What the route has written is gone."""
    answer = service.client.post("/posts/refused")

    assert answer.status_code == 409
    assert answer.json()["detail"] == "on second thoughts"
    assert service.stored(sa.select(Post.id)) == []


def test_a_row_that_another_changed_meanwhile_is_a_precondition_that_failed(service):
    """A version that is overtaken between read and write is 412, and the other's change stays."""
    if service.dialect == "sqlite":
        pytest.skip("a unit of an unsafe method has SQLite's one write lock from its first statement on")
    key = service.client.post("/posts", json={"title": "one"}).json()["id"]
    gate = service.app.state.gate = Gate()
    answers: list[Any] = []
    request = threading.Thread(target=lambda: answers.append(service.client.post(f"/posts/{key}/slow")))

    request.start()
    gate.read.wait(5)
    with service.witness.begin() as session:
        session.get_one(Post, key).title = "fast"
    gate.changed.set()
    request.join()

    assert answers[0].status_code == 412, answers[0].text
    assert service.client.get(f"/posts/{key}").json()["title"] == "fast"


@pytest.mark.parametrize("path", ["/posts/quick", "/posts/quick/"])
def test_a_literal_segment_wins_over_a_key(client, path):
    """A route of one's own comes before the generated ones, with and without a slash at the end."""
    assert client.post(path).status_code == 201


def test_the_query_language_can_be_borrowed(client):
    """`query` reads and checks the parameters; those that the route declares are left to it."""
    answer = client.get("/posts/search?title=a&limit=3&shout=true")

    assert answer.json() == {"fields": ["title"], "limit": 3, "shout": True}
    assert client.get("/posts/search?titel=a").json()["errors"][0]["hint"] == "did you mean 'title'?"


def test_a_generated_model_is_a_body_of_ones_own_routes(client):
    """Its limits hold there, and its mistakes are told alike."""
    answer = client.post("/posts/typed", json={"title": "x" * 21})

    assert client.post("/posts/typed", json={"title": "x"}).json() == "x"
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/title"


def test_a_route_of_ones_own_replaces_the_generated_one(client):
    """The same method and path shape, whatever the parameters are called; the others stay."""
    made = client.post("/posts", json={"title": "one"}).json()

    assert client.get("/replaced/7").json() == "my own 7"
    assert client.post("/replaced", json={"title": "x"}).json() == "my own"
    assert client.get("/replaced").json()["items"] == [made]
    assert client.patch(f"/replaced/{made['id']}", json={"title": "two"}).json()["title"] == "two"


def test_a_replaced_route_is_gone_from_the_document(client):
    """OpenAPI describes the one that answers."""
    paths = client.get("/openapi.json").json()["paths"]

    assert "get" in paths["/replaced/{post_id}"]
    assert "get" not in paths.get("/replaced/{id}", {})
    assert "patch" in paths["/replaced/{id}"]


def test_the_row_of_a_composite_key_is_found(client):
    """`row` reads every part of the key."""
    client.post("/pairs", json={"left": 1, "right": 2})

    assert client.post("/pairs/1/2/swap").json() == {"left": 1, "right": 2, "note": "swapped"}
    assert client.post("/pairs/2/1/swap").status_code == 404
    assert client.get("/pairs/1/about").json() == "all about 1"


def test_dependencies_of_the_resource_guard_every_route(service):
    """They run before generated routes, and what they raise is a problem document with its headers."""
    for method, path in [
        ("GET", "/guarded"),
        ("POST", "/guarded"),
        ("GET", "/guarded/1"),
        ("DELETE", "/guarded/1"),
    ]:
        answer = service.client.request(method, path, json={"title": "x"})

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
    assert service.stored(sa.select(Post.id)) == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/guarded"), ("POST", "/guarded")])
def test_what_dependencies_set_on_the_response_is_kept(client, method, path):
    """Headers and cookies of the injected response belong to the answer."""
    answer = client.request(
        method, path, json={"title": "x"} if method == "POST" else None, headers={"token": "t"}
    )

    assert answer.is_success
    assert answer.headers["x-signed-in"] == "t"
    assert answer.cookies["seen"] == "yes"
    assert answer.headers["content-type"] == "application/json"


def test_dependencies_share_the_unit_of_work(service):
    """What they write is committed with the route's, or not at all."""
    service.client.post("/guarded", json={"title": "x"}, headers={"token": "t"})
    service.client.post("/guarded", json={"title": 3}, headers={"token": "t"})
    service.client.post("/guarded", json={"title": "y"}, headers={"token": "t", "fail": "yes"})

    assert sorted(service.stored(sa.select(Post.title))) == [("by the way",), ("x",)]


def test_the_session_can_be_overridden(service):
    """`dependency_overrides` takes `db.session.dependency`, for generated and own routes alike."""
    other: Database[Any] = Database("sqlite+aiosqlite:///:memory:", create=Base.metadata)

    async def elsewhere() -> Any:
        async with other.begin() as session:
            yield session

    service.app.dependency_overrides[service.db.session.dependency] = elsewhere
    try:
        made = service.client.post("/posts", json={"title": "elsewhere"})
        own = service.client.post(f"/posts/{made.json()['id']}/publish")
    finally:
        service.app.dependency_overrides.clear()
        service.client.portal.call(other.close)

    assert (made.status_code, own.json()["title"]) == (201, "elsewhere")
    assert service.stored(sa.select(Post.id)) == []
