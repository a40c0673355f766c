"""The application that the kit is tried on within this suite's own process: users and their posts on SQLite."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install

__all__ = ["Post", "User", "service"]


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)
    posts: Mapped[list[Post]] = relationship(back_populates="user")


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship(back_populates="posts")


def service(db: Database[Any]) -> FastAPI:
    """A new application on a Database."""
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(User, db))
    app.include_router(Resource(Post, db))
    return app
