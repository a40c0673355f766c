"""A service whose rows refer to each other, which the database checks at COMMIT alone."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import FastAPI
from sqlalchemy import ForeignKey, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install
from tests.faults.application import settings


class Base(DeclarativeBase): ...


class Node(Base):
    """A row below another one."""

    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("nodes.id", deferrable=True, initially="DEFERRED")
    )


db = Database(os.environ["DATABASE_URL"], create=Base.metadata, **settings())

app = FastAPI()
install(app, db)
app.include_router(Resource(Node, db))


@app.post("/adopt", status_code=201)
async def adopt(parent: int, session: Annotated[AsyncSession, db.session]) -> int:
    """Store a row below another one: a route of one's own."""
    node = Node(name="own", parent_id=parent)
    session.add(node)
    await session.flush()
    return node.id
