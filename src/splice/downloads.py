"""A whole list as a stream, read in chunks that are a unit of work each: a slow client holds no connection."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.lowlevel
from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from splice.binds import AnySession
from splice.bridge import run_on
from splice.database import Database
from splice.errors import NotAcceptable, TooBusy
from splice.operations import Chunk, Chunks

__all__ = ["Source", "download", "download_headers"]

_ATTEMPTS: Final = 10
"""How often a chunk waits for a connection: after the start only a broken answer could tell of a failure."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where chunks come from: the session of the request, then units of its database.

    Without a database the same session goes on, if it is `lasting`: if its dependency ends after the answer. So it has
    to be where another dependency has made the session what it is.
    """

    session: AnySession
    db: Database[Any] | None
    lasting: bool

    async def first(self, chunks: Chunks) -> Chunk:
        """Read by the session of the request: what fails does so before the answer begins."""
        if self.db is None and not self.lasting:
            raise NotAcceptable(
                "This list can be sent as application/json only, by the session of its request",
                header="Accept",
            )
        return await run_on(self.session, chunks)

    async def rest(self, chunks: Chunks) -> Chunk:
        if self.db is None:
            return await run_on(self.session, chunks)
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self.db.run(chunks, writes=False)
            except TooBusy:
                continue
        return await self.db.run(chunks, writes=False)


async def download(source: Source, chunks: Chunks, name: str, media_type: str) -> Response:
    """Send all chunks as a file; one that is short has a length, so that clients see that it is whole."""
    first = await source.first(chunks)
    if first.following is None:
        return Response(first.body, headers=download_headers(name), media_type=media_type)
    return _Stream(_bodies(source, first), headers=download_headers(name), media_type=media_type)


def download_headers(name: str) -> dict[str, str]:
    """What tells a browser to save the answer, and a cache that there are other forms of it."""
    plain = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    return {"Content-Disposition": f'attachment; filename="{plain}"', "Vary": "Accept"}


async def _bodies(source: Source, chunk: Chunk) -> AsyncIterator[bytes]:
    yield chunk.body
    while chunk.following is not None:
        # A client that goes away ends the download between two chunks: drivers do not like to be interrupted.
        with anyio.CancelScope(shield=True):
            chunk = await source.rest(chunk.following)
        # A server may take chunks for a client that is gone without ever waiting.
        await anyio.lowlevel.checkpoint_if_cancelled()
        yield chunk.body


class _Stream(StreamingResponse):
    """Ends its source together with the answer, also where the client goes away in between."""

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is the generator above
            await super().stream_response(send)
