"""A user's program as a type checker sees it: what users write is typed, and their types flow through.

Checked by pyright in strict mode, never run.
"""

from __future__ import annotations

from typing import Annotated, assert_type

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import ForeignKey, String, create_engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import Database, Page, Query, Resource, errors, install, private, read_only


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255), info=private)
    is_admin: Mapped[bool] = mapped_column(default=False, info=read_only | {"unit": "none"})


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(String(200))


class SignUp(BaseModel):
    email: str
    password: str


db = Database("sqlite:///app.db", create=Base.metadata)
users = Resource(User, db, create=SignUp)
posts = Resource(Post, db, only={"list", "read"}, max_limit=100, prefix="/articles", tags=["articles"])

app = FastAPI()
install(app, db)
app.include_router(users)
app.include_router(posts)

SessionDep = Annotated[AsyncSession, db.session]


@users.before_create
async def hash_password(session: AsyncSession, user: User, new: SignUp) -> None:
    user.password_hash = new.password


@users.after_create
def greet(session: Session, user: User, new: SignUp) -> None:
    user.is_admin = False


@posts.post("/{id}/publish", response_model=posts.Read)
async def publish(post: Annotated[Post, posts.row]) -> Post:
    return post


@app.get("/reports")
async def list_reports(query: Annotated[Query, posts.query], session: SessionDep) -> Page[SignUp]:
    raise errors.NotFound("There is no report")


def work(session: Session) -> int:
    user = users.read(session, 1)
    assert_type(user, User)
    assert_type(posts.find(session), list[Post])
    return user.id


async def script() -> None:
    assert_type(db, Database[AsyncSession])
    assert_type(await db.run(work), int)
    async with db.begin() as session:
        assert_type(session, AsyncSession)


def on_a_sync_engine() -> None:
    sync = Database(create_engine("sqlite:///app.db"))
    with sync.begin() as session:
        assert_type(session, Session)


def get_db() -> Session:
    raise NotImplementedError


legacy = Resource(Post, session=get_db, commit=False, only={"list"}, dependencies=[Depends(get_db)])
