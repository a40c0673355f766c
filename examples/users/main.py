"""The whole service: `uvicorn examples.users.main:app` serves it, `make run` fills it with people first."""

import os

from fastapi import FastAPI

from examples.users.models import Post, User
from splice import Database, Resource, install

db = Database(os.environ.get("DATABASE_URL", "sqlite:///users.db"), migrations="upgrade")

app = FastAPI(title="Users", description="Users and their posts.")
install(app, db)
app.include_router(Resource(User, db))
app.include_router(Resource(Post, db))
