"""The application on an SQLite file that may hold no more than `MAX_PAGES` pages, as if its disk were full then."""

import os
from typing import Any

from sqlalchemy import event

from tests.faults.application import app, db

__all__ = ["app"]

_engine: Any = db.engine


@event.listens_for(_engine.sync_engine, "connect")
def _bound(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA max_page_count={os.environ['MAX_PAGES']}")
    cursor.close()
