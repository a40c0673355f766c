"""The service as its clients see it, on a copy of the database."""

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

FOLDER = Path(__file__).parents[1]
SHIPPED = FOLDER / "chinook.sqlite"
START = """
from fastapi.testclient import TestClient
from examples.chinook.main import app

with TestClient(app) as client:
    print(client.delete("/playlist-tracks/1/3402").status_code)
"""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TestClient]:
    """A client of the app on a database of its own."""
    copy = shutil.copy(SHIPPED, tmp_path / "copy.db")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{copy}")
    with TestClient(runpy.run_module("examples.chinook.main")["app"]) as client:
        yield client


def items(client: TestClient, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(path, params=query).json()["items"]
    return found


def shipped() -> dict[str, str]:
    """The files of the database as it is shipped, each with a hash of what it holds."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("chinook*")}


def start(folder: Path) -> str:
    """What a process that serves from a folder without a database answers to a DELETE."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["PYTHONPATH"] = str(FOLDER.parents[1])
    command = [sys.executable, "-c", START]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_an_album_shows_its_artist_and_its_tracks(client: TestClient) -> None:
    """The model given as read= names relations, and they are there."""
    album = client.get("/albums/1").json()

    assert album["artist"] == {"artist_id": 1, "name": "AC/DC"}
    assert [track["name"] for track in album["tracks"]][:2] == [
        "For Those About To Rock (We Salute You)",
        "Put The Finger On You",
    ]
    assert len(album["tracks"]) == 10


def test_the_names_are_those_of_the_models(client: TestClient) -> None:
    """Columns called `MediaTypeId` and `Name` are `media_type_id` and `name` in JSON."""
    assert client.get("/media-types/1").json() == {"media_type_id": 1, "name": "MPEG audio file"}


def test_children_are_found_by_their_parent(client: TestClient) -> None:
    """A foreign key is a filter, one of a table to itself as well."""
    assert {album["title"] for album in items(client, "/albums", artist_id=1)} == {
        "For Those About To Rock We Salute You",
        "Let There Be Rock",
    }
    assert [one["employee_id"] for one in items(client, "/employees", reports_to=6)] == [7, 8]


def test_a_key_of_two_parts_is_two_segments(client: TestClient) -> None:
    """A track is put on a playlist, is there once, and is taken off again."""
    entry = {"playlist_id": 1, "track_id": 597}
    client.delete("/playlist-tracks/1/597")

    created = client.post("/playlist-tracks", json=entry)

    assert created.headers["location"] == "/playlist-tracks/1/597"
    assert client.post("/playlist-tracks", json=entry).status_code == 409
    assert client.delete("/playlist-tracks/1/597").status_code == 204
    assert client.get("/playlist-tracks/1/597").status_code == 404


def test_an_artist_with_albums_stays(client: TestClient) -> None:
    """What is still referred to is not deleted."""
    assert client.delete("/artists/1").status_code == 409
    assert client.get("/artists/1").json()["name"] == "AC/DC"


def test_an_invoice_goes_with_its_lines(client: TestClient) -> None:
    """The model says that lines belong to their invoice."""
    lines = client.get("/invoices/1").json()["lines"]

    assert client.delete("/invoices/1").status_code == 204
    assert {client.get(f"/invoice-lines/{line['invoice_line_id']}").status_code for line in lines} == {404}


def test_a_playlist_leaves_its_tracks(client: TestClient) -> None:
    """Deleting a playlist deletes what is on it from the list, and not the tracks themselves."""
    track = items(client, "/playlist-tracks", playlist_id=18)[0]["track_id"]

    assert client.delete("/playlists/18").status_code == 204
    assert items(client, "/playlist-tracks", playlist_id=18) == []
    assert client.get(f"/tracks/{track}").status_code == 200


def test_the_shipped_file_is_never_touched(tmp_path: Path) -> None:
    """Without DATABASE_URL the service writes to a copy in the current folder, which the next start finds."""
    before = shipped()

    assert [start(tmp_path), start(tmp_path)] == ["204\n", "404\n"]
    assert shipped() == before
    assert [path.name for path in tmp_path.iterdir()] == ["chinook.db"]
