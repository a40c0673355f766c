"""The same model as a Resource: the routes are gone too."""

import os

from fastapi import FastAPI
from splice import Database, Resource, install

from models import Base, User

db = Database(os.environ.get("DATABASE_URL", "sqlite:///users.db"), create=Base.metadata)

app = FastAPI()
install(app, db)
app.include_router(Resource(User, db))
