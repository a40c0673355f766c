"""What clients send and get, for the three apps whose routes are written by hand."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel

# The range of an INTEGER column. asyncpg raises on a larger number, sqlite3 beyond 64 bits: each would be a 500.
UserId = Annotated[int, Path(ge=-(2**31), lt=2**31)]


class UserIn(BaseModel):
    # Optional, as the columns are: a `str` here would answer 500 for a row that holds NULL.
    name: str | None = None
    email: str | None = None


class UserOut(BaseModel):
    id: int
    name: str | None
    email: str | None
