"""The application of the suites: users and their posts, in a database that nobody can reach.

What tests see is therefore never what this Database is about.
"""

import os
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from splice import Database, Resource, install
from splice.bridge import run_on

URL = os.environ.get("SUITE_URL", "postgresql+asyncpg://nobody:secret@127.0.0.1:1/production")


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    posts: Mapped[list["Post"]] = relationship(back_populates="user")


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship(back_populates="posts")


bind: Any = sa.create_engine(URL) if "SUITE_ENGINE" in os.environ else URL
db: Database[Any] = Database(bind)
app = FastAPI()
install(app, db)
app.include_router(Resource(User, db))
app.include_router(Resource(Post, db))


@app.post("/commits")
async def commit_and_roll_back(session: Annotated[Any, db.session]) -> None:
    def work(inner: Session) -> None:
        inner.add(User(name="kept"))
        inner.commit()
        inner.add(User(name="dropped"))
        inner.flush()
        inner.rollback()

    await run_on(session, work)


@app.post("/units")
async def open_units(session: Annotated[Any, db.session]) -> None:
    await run_on(session, lambda inner: inner.add(User(name="of the request")))
    async with db.begin() as own:
        await run_on(own, lambda inner: inner.add(User(name="of db.begin")))
    await db.run(lambda inner: inner.add(User(name="of db.run")))
