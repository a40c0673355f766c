"""The guard outside of everything else: one whole answer for each request, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from splice.answers import UNROUTED, Installation, answer_to, answer_to_http
from splice.database import COMMITTING
from splice.errors import CommitUnknown, InternalError, ShuttingDown
from splice.problems import begin_exchange, end_exchange, exchange_of, render
from splice.reports import report, speaks_of_data

__all__ = ["AnswerBrokenOff", "Guard"]


class AnswerBrokenOff(RuntimeError):
    """Raised to the server in place of an error that speaks of data, so that it ends the connection and logs nothing.

    The log of `splice` has the cause under the request id.
    """


class Guard(ServerErrorMiddleware):
    """Stands outside of everything else: whatever happens, the client gets one whole answer, and the log one entry.

    An unhandled exception that was answered in full ends here, else the server would close a connection that other
    requests share. One that comes when the answer has begun goes on to the server, which can only break it off.
    """

    def __init__(self, stack: ASGIApp, installation: Installation, *, debug: bool) -> None:
        if type(stack) is ServerErrorMiddleware:
            # It takes that one's place: OpenTelemetry's instrumentation takes the outermost middleware apart.
            super().__init__(stack.app, stack.handler, stack.debug)
        else:
            super().__init__(stack)
        self._installation = installation
        self._has_debug_page = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer = begin_exchange(scope, self._installation.problems, self._installation.renderer)
        outgoing = _Outgoing(scope, send, has_debug_page=self._has_debug_page)
        try:
            failure = await self._run(scope, receive, outgoing)
            if failure is not None:
                await self._settle(failure, scope, receive, outgoing)
        finally:
            end_exchange(scope, outer)

    async def _run(self, scope: Scope, receive: Receive, outgoing: _Outgoing) -> Exception | None:
        try:
            await super().__call__(scope, receive, outgoing)
        except Exception as error:  # noqa: BLE001  # that is what a guard is for
            return error
        except asyncio.CancelledError:
            if outgoing.begun:
                raise
            # A server that ends gives up what is left; it would say 500, as if the service had failed.
            return CommitUnknown() if scope.get(COMMITTING) else ShuttingDown()
        return None

    async def _settle(self, error: Exception, scope: Scope, receive: Receive, outgoing: _Outgoing) -> None:
        answer = answer_to(error, scope, self._installation)
        if answer is None or answer.status >= 500:
            report(error, answer, scope)
        if not outgoing.begun:
            await render(answer or InternalError(), scope)(scope, receive, outgoing.pass_on)
        elif not outgoing.complete:
            raise _fit_for_servers(error, scope)


def _fit_for_servers(error: Exception, scope: Scope) -> Exception:
    """What a server may write to its own log."""
    if not speaks_of_data(error):
        return error
    exchange = exchange_of(scope)
    broken = AnswerBrokenOff(
        f"the answer to request {exchange.request_id} broke off; see the log of 'splice'"
    )
    exchange.reported.append(broken)
    return broken


class _Outgoing:
    """An answer on its way out: takes the request id along, and turns a plain text of Starlette's into a document."""

    def __init__(self, scope: Scope, send: Send, *, has_debug_page: bool) -> None:
        self.begun = False
        self.complete = False
        self._scope = scope
        self._send = send
        # The debug page is a plain text for clients that are no browsers.
        self._texts = {**_TEXTS, 500: ()} if has_debug_page else _TEXTS
        self._held: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in self._texts:
            # Its body shows whether it is one of those texts.
            self._held = message
        elif self._held is None:
            await self.pass_on(message)
        else:
            held, self._held = self._held, None
            await self._release(held, message)

    async def _release(self, start: Message, message: Message) -> None:
        if self._is_plain(start["status"], message.get("body", b"")) and not message.get("more_body", False):
            await self._rewrite(start, message["body"])
        else:
            await self.pass_on(start)
            await self.pass_on(message)

    def _is_plain(self, status: int, body: bytes) -> bool:
        # A function that answers in these words means them; only 413 and 500 are said in its stead.
        unrouted = status in {413, 500} or isinstance(self._scope.get("endpoint"), UNROUTED)
        return unrouted and any(body == text or body.startswith(text + b" ") for text in self._texts[status])

    async def _rewrite(self, start: Message, body: bytes) -> None:
        text = "Content Too Large" if start["status"] == 413 else body.decode()
        response = render(answer_to_http(HTTPException(start["status"], text), self._scope), self._scope)
        written = {name for name, _ in response.raw_headers}
        response.raw_headers += [header for header in start["headers"] if header[0].lower() not in written]
        await response(self._scope, _read_nothing, self.pass_on)

    async def pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._identify(message)
            self.begun = True
        await self._send(message)
        ends = message["type"] in {"http.response.body", "http.response.pathsend"}
        self.complete = self.complete or (ends and not message.get("more_body", False))

    def _identify(self, start: Message) -> None:
        headers = list(start.get("headers", ()))
        if all(name.lower() != b"x-request-id" for name, _ in headers):
            headers.append((b"x-request-id", exchange_of(self._scope).request_id.encode()))
        start["headers"] = headers


async def _read_nothing() -> Message:
    raise RuntimeError("a problem document reads nothing from the client")


# How the answers begin that Starlette gives outside of every exception handler; and FastAPI's own where a mounted
# application meets the body limit of the one around it.
_TEXTS: Final[Mapping[int, Sequence[bytes]]] = MappingProxyType(
    {
        400: (b"Invalid host header", b"Disallowed CORS"),
        404: (b"Not Found",),
        405: (b"Method Not Allowed",),
        413: (b"Content Too Large", b'{"detail":"Content Too Large"}'),
        500: (b"Internal Server Error",),
    }
)
