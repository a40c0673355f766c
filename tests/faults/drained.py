"""A service that goes on for a while when it is asked to end: `DRAIN_SECONDS`."""

import os

from fastapi import FastAPI

from splice import Database, Resource, install
from tests.faults.application import Base, Entry, settings

db = Database(os.environ["DATABASE_URL"], create=Base.metadata, **settings())

app = FastAPI()
install(app, db, drain_seconds=float(os.environ["DRAIN_SECONDS"]))
app.include_router(Resource(Entry, db))
