"""Sends attacks to an application as a server would hand them on, and judges the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from tests.http.hostile.attacks import Attack
from tests.http.hostile.values import SECRET

__all__ = ["INTERNALS", "Answer", "Target", "exchange", "faults", "tells_too_much"]

INTERNALS: Final = re.compile(
    r"sqlite|asyncpg|psycopg|asyncmy|pymysql|sqlalchemy|pydantic|traceback|\.py\b|\b(select|insert|update) |constraint",
    re.IGNORECASE,
)
MAX_PROBLEM_BYTES: Final = 65_536


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 is no answer at all."""

    status: int = 0
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Target:
    """A running application with a stored row of each table, whose key stands for `{table}` in attacks.

    `call` runs an async function where the application runs.
    """

    app: ASGIApp
    call: Callable[..., Any]
    keys: Mapping[str, str]

    def send(self, attack: Attack) -> Answer:
        """Send a request as a server hands it on, past every check of an HTTP client."""
        raw_path = self._filled(attack.path.encode())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": attack.method,
            "scheme": "http",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": attack.query.encode("latin-1"),
            "root_path": "",
            "headers": [(b"host", b"testserver"), *attack.headers],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
        chunks = [self._filled(chunk) for chunk in attack.chunks]
        answer: Answer = self.call(exchange, self.app, scope, chunks, attack.cut)
        return answer

    def _filled(self, text: bytes) -> bytes:
        for table, key in self.keys.items():
            text = text.replace(f"{{{table}}}".encode(), key.encode())
        return text


async def exchange(app: ASGIApp, scope: Scope, chunks: Sequence[bytes], cut: bool) -> Answer:
    """Run one request; after the chunks the client is gone, which ends a body that is cut."""
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks or [b""]]
    incoming[-1]["more_body"] = cut
    outgoing: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        outgoing.append(message)

    await app(scope, receive, send)
    if not outgoing:
        return Answer()
    body = b"".join(message.get("body", b"") for message in outgoing[1:])
    return Answer(outgoing[0]["status"], dict(outgoing[0]["headers"]), body)


def faults(attack: Attack, answer: Answer) -> Iterator[str]:
    """What is wrong with the answer to an attack."""
    if answer.status not in attack.expected:
        yield f"{answer.status} is not one of {sorted(attack.expected)}: {answer.body[:300]!r}"
    if answer.status >= 400 and attack.method != "HEAD":
        yield from _faults_of_problem(answer)
    if answer.status == 405 and not answer.headers.get(b"allow"):
        yield "405 without Allow"
    if tells_too_much(str(answer.headers)):
        yield f"the headers tell too much: {answer.headers}"


def _faults_of_problem(answer: Answer) -> Iterator[str]:
    if answer.headers.get(b"content-type") != b"application/problem+json":
        yield f"the type is {answer.headers.get(b'content-type')!r}"
        return
    document = json.loads(answer.body)
    if document["status"] != answer.status or not document["title"] or not document["instance"]:
        yield f"the document is incomplete: {document}"
    text = json.dumps(document, ensure_ascii=False)
    if tells_too_much(text):
        yield f"the document tells too much: {text[:600]}"
    if len(answer.body) > MAX_PROBLEM_BYTES:
        yield f"the document has {len(answer.body)} bytes"


def tells_too_much(text: str) -> bool:
    """Whether a text repeats what was sent, or speaks of what the service is made of."""
    return SECRET in text or INTERNALS.search(text) is not None
