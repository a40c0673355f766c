"""The whole service: `uvicorn examples.chinook.main:app` serves it, on a copy of the database beside this file."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI

from examples.chinook.models import (
    Album,
    Artist,
    Customer,
    Employee,
    Genre,
    Invoice,
    InvoiceLine,
    MediaType,
    Playlist,
    PlaylistTrack,
    Track,
)
from examples.chinook.schemas import AlbumWithTracks, InvoiceWithLines
from splice import Database, Resource, install

SHIPPED = Path(__file__).with_name("chinook.sqlite")
COPY = Path("chinook.db")

db = Database(os.environ.get("DATABASE_URL", f"sqlite:///{COPY}"))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """The database is copied before the first request: opening the shipped file would change it."""
    if "DATABASE_URL" not in os.environ:
        copy_once(SHIPPED, COPY)
    yield


def copy_once(source: Path, target: Path) -> None:
    """Copy a file unless it is there; of several processes at once one does it, and none sees a part of it."""
    if target.exists():
        return
    with tempfile.TemporaryDirectory(dir=target.absolute().parent) as folder:
        whole = shutil.copyfile(source, Path(folder, source.name))
        with suppress(FileExistsError):
            target.hardlink_to(whole)


app = FastAPI(title="Chinook", description="A music shop.", lifespan=lifespan)
install(app, db)
app.include_router(Resource(Artist, db, prefix="/artists"))
app.include_router(Resource(Album, db, prefix="/albums", read=AlbumWithTracks))
app.include_router(Resource(Track, db, prefix="/tracks"))
app.include_router(Resource(Genre, db, prefix="/genres"))
app.include_router(Resource(MediaType, db, prefix="/media-types"))
app.include_router(Resource(Playlist, db, prefix="/playlists"))
app.include_router(Resource(PlaylistTrack, db, prefix="/playlist-tracks"))
app.include_router(Resource(Customer, db, prefix="/customers"))
app.include_router(Resource(Employee, db, prefix="/employees"))
app.include_router(Resource(Invoice, db, prefix="/invoices", read=InvoiceWithLines))
app.include_router(Resource(InvoiceLine, db, prefix="/invoice-lines"))
