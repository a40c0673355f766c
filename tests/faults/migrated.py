"""A service whose tables are made by the migrations of examples/users, behind a PgBouncer."""

import os

from fastapi import FastAPI

from examples.users.models import User
from splice import Database, Resource, install

db = Database(os.environ["DATABASE_URL"], migrations="upgrade", pgbouncer=True)

app = FastAPI()
install(app, db)
app.include_router(Resource(User, db))
