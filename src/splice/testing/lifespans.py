"""An application's lifespan around a block, as a server would run it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["running", "with_state"]


@asynccontextmanager
async def running(app: ASGIApp, state: dict[str, Any]) -> AsyncIterator[None]:
    """Start an application, and stop it at the end; what its lifespan yields is put into `state`.

    It runs in a task of its own: task groups in it have to be left in the task that entered them, and fixtures are set
    up and torn down in two.
    """
    lifespan = _Lifespan(app, state)
    await lifespan.say("startup")
    try:
        yield
    finally:
        await lifespan.say("shutdown")
        await lifespan.task


def with_state(app: ASGIApp, state: dict[str, Any]) -> ASGIApp:
    """The application as a server calls it: each request gets what the lifespan has yielded."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {**state}}, receive, send)

    return served


class _Lifespan:
    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._questions: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self.task = asyncio.ensure_future(_serve(app, scope, self._questions.get, self._answers.put))

    async def say(self, moment: str) -> None:
        """Tell the application to start or to stop, and wait until it has; raises what the application raises."""
        await self._questions.put({"type": f"lifespan.{moment}"})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait([answer, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] != f"lifespan.{moment}.complete":
            answer.cancel()
            await self.task
            raise RuntimeError(f"the application does not answer to lifespan.{moment}")


async def _serve(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
