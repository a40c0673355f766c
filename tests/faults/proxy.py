"""A proxy between a service and its database, that cuts connections where it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from sqlalchemy import make_url

from splice.testing.servers import HOST

__all__ = ["Proxy", "Way", "proxy_to"]

Way: TypeAlias = Literal["unheard", "heard", "silent"]


@dataclass
class Proxy:
    """Passes on what both sides say, until the service says a word that it has been told to listen for.

    Attributes:
        url: The database, through the proxy.
        word: Where it cuts the connection; nowhere, if this is None.
        following: What the service must have said before on that connection; drivers say COMMIT when they connect, too.
        way: What happens then: the connection is cut before the database has heard the word, or after it has acted
            upon it, or neither side hears anything any more.
        times: How often it cuts at most.
        cuts: How often it has cut.
    """

    url: str = field(repr=False)
    word: bytes | None = None
    following: bytes = b""
    way: Way = "unheard"
    times: int = 1_000
    cuts: int = 0

    def cut_at(
        self, word: bytes, *, following: bytes = b"", way: Way = "unheard", times: int = 1_000
    ) -> None:
        """Cut each connection on which the service says this, so many times."""
        self.word, self.following, self.way, self.times, self.cuts = word, following, way, times, 0

    def cut_nothing(self) -> None:
        """Pass everything on."""
        self.word = None

    def is_to_cut(self, said: bytes, before: bytes) -> bool:
        is_said = self.word is not None and self.word in said and self.following in before
        return is_said and self.cuts < self.times


@asynccontextmanager
async def proxy_to(database: str) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a database until the end of the block."""
    url = make_url(database)
    async with AsyncExitStack() as ends:
        listener = await ends.enter_async_context(await anyio.create_tcp_listener(local_host=HOST))
        port = listener.extra(SocketAttribute.local_port)
        proxy = Proxy(url.set(host=HOST, port=port).render_as_string(hide_password=False))

        async def connect(service: SocketStream) -> None:
            async with service, await anyio.connect_tcp(url.host, url.port) as server:
                await _pass_on(proxy, service, server)

        group = await ends.enter_async_context(anyio.create_task_group())
        group.start_soon(listener.serve, connect)
        yield proxy
        group.cancel_scope.cancel()


async def _pass_on(proxy: Proxy, service: ByteStream, server: ByteStream) -> None:
    """Both ways, until one side ends, or the word is said."""
    async with anyio.create_task_group() as group:
        said = anyio.Event()

        async def ask() -> None:
            await _ask(proxy, service, server, said)
            group.cancel_scope.cancel()

        async def answer() -> None:
            async for answered in _spoken(server):
                if said.is_set():
                    break
                await service.send(answered)
            if said.is_set() and proxy.way == "silent":
                await anyio.sleep_forever()
            group.cancel_scope.cancel()

        group.start_soon(ask)
        group.start_soon(answer)


async def _ask(proxy: Proxy, service: ByteStream, server: ByteStream, said: anyio.Event) -> None:
    """Pass on what the service says, until the connection is to be cut."""
    before = b""
    async for asked in _spoken(service):
        if proxy.is_to_cut(asked, before):
            proxy.cuts += 1
            said.set()
            if proxy.way == "silent":
                await anyio.sleep_forever()
            if proxy.way == "unheard":
                return
        before += asked
        await server.send(asked)


async def _spoken(stream: ByteStream) -> AsyncIterator[bytes]:
    while True:
        try:
            yield await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
