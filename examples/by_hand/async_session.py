"""Users by hand: `async def` routes on an AsyncSession."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from models import Base, User
from schemas import UserId, UserIn, UserOut

engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///users.db"))
SessionLocal = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def get_db() -> AsyncIterator[AsyncSession]:
    async with SessionLocal() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_db, scope="function")]

app = FastAPI(lifespan=lifespan)


@app.post("/users/", status_code=201, response_model=UserOut)
async def create_user(new: UserIn, session: SessionDep) -> User:
    user = User(**new.model_dump())
    session.add(user)
    await commit(session)
    return user


@app.get("/users/{user_id}", response_model=UserOut)
async def read_user(user_id: UserId, session: SessionDep) -> User:
    return await find_user(session, user_id)


@app.put("/users/{user_id}", response_model=UserOut)
async def replace_user(user_id: UserId, new: UserIn, session: SessionDep) -> User:
    user = await find_user(session, user_id)
    user.name, user.email = new.name, new.email
    await commit(session)
    return user


@app.delete("/users/{user_id}", status_code=204)
async def delete_user(user_id: UserId, session: SessionDep) -> None:
    await session.delete(await find_user(session, user_id))
    await commit(session)


async def find_user(session: AsyncSession, user_id: int) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "There is no such user")
    return user


async def commit(session: AsyncSession) -> None:
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        raise HTTPException(409, "This email is taken") from None
