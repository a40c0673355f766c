"""The same routes on a Database: engine, sessionmaker, get_db, commit and the 409 are gone."""

import os
from typing import Annotated

from fastapi import FastAPI, HTTPException
from splice import Database, install
from sqlalchemy.ext.asyncio import AsyncSession

from models import Base, User
from schemas import UserId, UserIn, UserOut

db = Database(os.environ.get("DATABASE_URL", "sqlite:///users.db"), create=Base.metadata)
SessionDep = Annotated[AsyncSession, db.session]

app = FastAPI()
install(app, db)


@app.post("/users/", status_code=201, response_model=UserOut)
async def create_user(new: UserIn, session: SessionDep) -> User:
    user = User(**new.model_dump())
    session.add(user)
    await session.flush()  # FastAPI serialises before the session commits, and the answer needs the new id.
    return user


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(user_id: UserId, session: SessionDep) -> User:
    return await find_user(session, user_id)


@app.put("/users/{user_id}", response_model=UserOut)
async def replace_user(user_id: UserId, new: UserIn, session: SessionDep) -> User:
    user = await find_user(session, user_id)
    user.name, user.email = new.name, new.email
    return user


@app.delete("/users/{user_id}", status_code=204)
async def delete_user(user_id: UserId, session: SessionDep) -> None:
    await session.delete(await find_user(session, user_id))


async def find_user(session: AsyncSession, user_id: int) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "There is no such user")
    return user
