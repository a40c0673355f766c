"""`python -m examples.users`: bring the database up to date, fill it on first start, say where to look, serve."""

import asyncio
import os

import uvicorn

from examples.users.main import app, db
from examples.users.seed import fill

HOST = "127.0.0.1"


def main() -> None:
    port = int(os.environ.get("PORT", "8000"))
    asyncio.run(prepare())
    print(greeting(f"http://{HOST}:{port}"), flush=True)
    uvicorn.run(app, host=HOST, port=port)


async def prepare() -> None:
    async with db.lifespan():
        await fill(db)


def greeting(address: str) -> str:
    return f"""
  Users and posts, stored in {db!r}

  API            {address}/users
                 {address}/posts
  documentation  {address}/docs
  try            curl '{address}/users?is_active=true&order_by=-created_at&limit=3'
"""


if __name__ == "__main__":
    main()
