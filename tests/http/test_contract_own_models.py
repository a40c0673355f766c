"""Pydantic models of one's own, for one operation or for all answers."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, computed_field
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    role: Mapped[str] = mapped_column(sa.String(20), default="member")
    bio: Mapped[str | None] = mapped_column(sa.String(20))
    password_hash: Mapped[str] = mapped_column(sa.String(50), default="none")
    posts: Mapped[list[Post]] = relationship(back_populates="user", order_by="Post.id")


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(sa.String(20))
    user: Mapped[User] = relationship(back_populates="posts")
    comments: Mapped[list[Comment]] = relationship(order_by="Comment.id")


class Comment(Base):
    __tablename__ = "comments"
    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(sa.ForeignKey("posts.id"))
    text: Mapped[str] = mapped_column(sa.String(20))


class SignUp(BaseModel):
    """Takes a password, and says whose role a newcomer has."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=2)]
    password: str
    role: str = "guest"
    bio: str | None = None


class Rename(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = "unchanged"


class CommentRead(BaseModel):
    text: str


class PostRead(BaseModel):
    title: str
    comments: list[CommentRead]


class UserRead(BaseModel):
    id: int
    name: Annotated[str, Field(serialization_alias="fullName")]
    posts: list[PostRead]

    @computed_field
    @property
    def initial(self) -> str:
        return self.name[:1]


class Byline(BaseModel):
    name: str


class Headline(BaseModel):
    id: int
    title: str
    user: Byline | None


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    users = Resource(User, db, create=SignUp, update=Rename)

    @users.before_create
    def keep_the_hash(_session: Session, user: User, new: SignUp) -> None:
        user.password_hash = f"hash of {new.password}"

    app.include_router(users)
    app.include_router(Resource(User, db, prefix="/profiles", read=UserRead))
    app.include_router(Resource(Post, db, read=Headline))
    return app


def test_an_own_model_for_create_reads_the_body(service):
    """Its fields that the row does not have are for the hook; its defaults are meant, over those of the column."""
    answer = service.client.post("/users", json={"name": "Ada", "password": "p"})

    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "name": "Ada", "role": "guest", "bio": None}
    assert service.stored(sa.select(User.password_hash)) == [("hash of p",)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "A", "password": "p"}, "/name"),
        ({"name": "Ada"}, "/password"),
        ({"name": "Ada", "password": "p", "x": 1}, "/x"),
        ({"name": "Ada", "password": 3}, "/password"),
    ],
)
def test_an_own_model_says_what_is_valid(service, body, pointer):
    """Its mistakes are told like those of a generated model."""
    answer = service.client.post("/users", json=body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert service.stored(sa.select(User.id)) == []


def test_what_an_own_model_lets_through_the_columns_may_not(client):
    """A value that the column cannot hold is 422 all the same, on every database."""
    answer = client.post("/users", json={"name": "x" * 21, "password": "p"})

    assert answer.status_code == 422


def test_an_own_model_for_update_reads_a_patch(client):
    """Only what was sent is written, defaults of the model are not."""
    address = client.post("/users", json={"name": "Ada", "password": "p"}).headers["location"]

    assert client.patch(address, json={}).json()["name"] == "Ada"
    assert client.patch(address, json={"name": "Eve"}).json()["name"] == "Eve"
    assert client.patch(address, json={"bio": "x"}).status_code == 422


def test_an_own_model_for_update_is_not_got_round_by_put(client):
    """With `update=` there is no PUT."""
    address = client.post("/users", json={"name": "Ada", "password": "p"}).headers["location"]

    answer = client.put(address, json={"name": "Ada", "bio": "x"})

    assert answer.status_code == 405
    assert "PUT" not in answer.headers["allow"]


@pytest.fixture
def family(service) -> int:
    """A user with two posts and three comments, and one without any."""
    posts = [
        Post(title="one", comments=[Comment(text="a"), Comment(text="b")]),
        Post(title="two", comments=[Comment(text="c")]),
    ]
    ada = User(name="Ada", posts=posts)
    service.store(ada, User(name="Eve"))
    return ada.id


EXPECTED: dict[str, Any] = {
    "fullName": "Ada",
    "posts": [
        {"title": "one", "comments": [{"text": "a"}, {"text": "b"}]},
        {"title": "two", "comments": [{"text": "c"}]},
    ],
    "initial": "A",
}


def test_an_own_model_for_answers_shows_relations(client, family):
    """Nested models, aliases and computed fields are as Pydantic writes them, alone and in a list."""
    alone = client.get(f"/profiles/{family}")
    listed = client.get("/profiles?order_by=name&count=exact").json()

    assert alone.json() == {"id": family, **EXPECTED}
    assert listed["items"][0] == alone.json()
    assert (listed["total"], listed["items"][1]["posts"]) == (2, [])


def test_relations_cost_a_constant_number_of_statements(service, family):
    """More rows, posts or comments are no more statements."""
    with service.watching() as few:
        service.client.get("/profiles?limit=1")
    users = [User(name=f"{number}") for number in range(30)]
    for user in users:
        user.posts = [Post(title="x", comments=[Comment(text="y")]) for _ in range(3)]
    service.store(*users)
    with service.watching() as many:
        answer = service.client.get("/profiles?limit=100")

    assert len(answer.json()["items"]) == 32
    assert len(selects(many)) == len(selects(few)) == 3


def selects(statements: list[str]) -> list[str]:
    return [statement for statement in statements if statement.lstrip().startswith("SELECT")]


def test_a_generated_list_is_one_statement(service, family):
    """And two with its total."""
    with service.watching() as without:
        service.client.get("/users")
    with service.watching() as counted:
        service.client.get("/users?count=exact")

    assert (len(selects(without)), len(selects(counted))) == (1, 2)


def test_a_relation_to_one_is_shown(client, family):
    """The other direction works the same."""
    item = client.get("/posts?order_by=title").json()["items"][0]

    assert item == {"id": item["id"], "title": "one", "user": {"name": "Ada"}}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_changed_row_is_answered_in_the_same_model(client, family, method):
    """The relations are there after a write too."""
    answer = client.request(method, f"/profiles/{family}", json={"name": "Bea"})

    assert answer.status_code == 200
    assert (
        answer.json()
        == client.get(f"/profiles/{family}").json()
        == {
            "id": family,
            **EXPECTED,
            "fullName": "Bea",
            "initial": "B",
        }
    )


def test_a_new_row_is_answered_in_the_same_model(client):
    """Relations of a new row are empty."""
    answer = client.post("/profiles", json={"name": "Ada"})

    assert answer.json() == {"id": answer.json()["id"], "fullName": "Ada", "posts": [], "initial": "A"}


def test_a_changed_relation_is_no_known_state(service, family):
    """An entity tag is of one row; what stands around it may have changed, so it is sent again."""
    tag = service.client.get(f"/profiles/{family}").headers.get("etag", '"none"')
    with service.witness.begin() as session:
        session.execute(sa.update(Comment).values(text="new"))

    answer = service.client.get(f"/profiles/{family}", headers={"if-none-match": tag})

    assert answer.status_code == 200
    assert answer.json()["posts"][1]["comments"] == [{"text": "new"}]


def test_filters_speak_of_the_model_not_of_its_view(client, family):
    """What can be asked does not depend on how answers look."""
    assert len(client.get("/profiles?name=Ada").json()["items"]) == 1
    assert client.get("/profiles?fullName=Ada").status_code == 422
