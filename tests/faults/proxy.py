"""A proxy between a service and its database, that cuts connections where it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from sqlalchemy import make_url

from splice.testing.servers import HOST

__all__ = ["Proxy", "proxy_to"]


@dataclass
class Proxy:
    """Passes on what both sides say, until the service says a word that it has been told to listen for.

    Attributes:
        url: The database, through the proxy.
        word: Where it cuts the connection; nowhere, if this is None.
        following: What the service must have said before on that connection; drivers say COMMIT when they connect, too.
        is_late: Whether the database still hears the word, and acts upon it, before the connection is cut.
        times: How often it cuts at most.
        cuts: How often it has cut.
    """

    url: str = field(repr=False)
    word: bytes | None = None
    following: bytes = b""
    is_late: bool = False
    times: int = 1_000
    cuts: int = 0

    def cut_at(
        self, word: bytes, *, following: bytes = b"", is_late: bool = False, times: int = 1_000
    ) -> None:
        """Cut each connection on which the service says this, so many times."""
        self.word, self.following, self.is_late, self.times, self.cuts = word, following, is_late, times, 0

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
    deaf = anyio.Event()
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            before = b""
            async for said in _spoken(service):
                if proxy.is_to_cut(said, before):
                    proxy.cuts += 1
                    if not proxy.is_late:
                        break
                    deaf.set()
                before += said
                await server.send(said)
            group.cancel_scope.cancel()

        async def answer() -> None:
            async for said in _spoken(server):
                if deaf.is_set():
                    break
                await service.send(said)
            group.cancel_scope.cancel()

        group.start_soon(ask)
        group.start_soon(answer)


async def _spoken(stream: ByteStream) -> AsyncIterator[bytes]:
    while True:
        try:
            yield await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
