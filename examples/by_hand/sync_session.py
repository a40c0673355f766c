"""Users by hand: `def` routes on a Session."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from models import Base, User
from schemas import UserId, UserIn, UserOut

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///users.db"))
SessionLocal = sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    Base.metadata.create_all(engine)
    yield
    engine.dispose()


def get_db() -> Iterator[Session]:
    session = SessionLocal()
    try:
        yield session
    finally:
        session.close()


# scope="function" closes the session before the answer; the default scope closes it after.
SessionDep = Annotated[Session, Depends(get_db, scope="function")]

app = FastAPI(lifespan=lifespan)


@app.post("/users/", status_code=201, response_model=UserOut)
def create_user(new: UserIn, session: SessionDep) -> User:
    user = User(**new.model_dump())
    session.add(user)
    commit(session)
    return user


@app.get("/users/{user_id}", response_model=UserOut)
def read_user(user_id: UserId, session: SessionDep) -> User:
    return find_user(session, user_id)


@app.put("/users/{user_id}", response_model=UserOut)
def replace_user(user_id: UserId, new: UserIn, session: SessionDep) -> User:
    user = find_user(session, user_id)
    user.name, user.email = new.name, new.email
    commit(session)
    return user


@app.delete("/users/{user_id}", status_code=204)
def delete_user(user_id: UserId, session: SessionDep) -> None:
    session.delete(find_user(session, user_id))
    commit(session)


def find_user(session: Session, user_id: int) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "There is no such user")
    return user


def commit(session: Session) -> None:
    # The constraint decides: between a check and the insert another request could take the email.
    try:
        session.commit()
    except IntegrityError:
        session.rollback()
        raise HTTPException(409, "This email is taken") from None
