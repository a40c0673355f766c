"""What clients were told, and how it compares with what is stored.

| outcome | when |
|---|---|
| acknowledged | an answer of 2xx |
| refused | a problem document that says that nothing was stored: 4xx, or 503 but for `commit-unknown` |
| unreached | nobody took the connection, so nothing was sent |
| unknown | the connection ended before a whole answer, or 503 `commit-unknown`, or anything else |
"""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import httpx2

from splice.errors import CommitUnknown
from splice.problems import MEDIA_TYPE

__all__ = ["Attempt", "Comparison", "Ledger", "Outcome", "code_of"]

Outcome = Literal["acknowledged", "refused", "unreached", "unknown"]


@dataclass(frozen=True)
class Attempt:
    """One write, and what its client was told: no status where the connection was cut, or never made."""

    name: str
    seconds: float
    reached: bool = True
    status: int | None = None
    code: str | None = None
    retry_after: str | None = None

    @property
    def outcome(self) -> Outcome:
        if not self.reached:
            return "unreached"
        if self.status is None or self.code == CommitUnknown.code:
            return "unknown"
        if 200 <= self.status < 300:
            return "acknowledged"
        return "refused" if self.code and (self.status < 500 or self.status == 503) else "unknown"

    @property
    def is_in_order(self) -> bool:
        """Whether the answer is one that a client is owed while the database is in trouble."""
        if self.status == 503:
            return self.code == CommitUnknown.code or self.retry_after is not None
        return self.status is None or 200 <= self.status < 300


@dataclass(frozen=True)
class Comparison:
    """Where the ledger and the table differ; nowhere, if all is well."""

    lost: frozenset[str] = frozenset()
    stored_though_refused: frozenset[str] = frozenset()
    twice: frozenset[str] = frozenset()
    unheard_of: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ledger:
    """Every attempted write under a name that no other has."""

    attempts: list[Attempt] = field(default_factory=list)
    _run: str = field(default_factory=lambda: secrets.token_hex(4))
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _names: set[str] = field(default_factory=set)

    def new_name(self) -> str:
        """A name for the next write; until an answer is noted its outcome is unknown."""
        name = f"{self._run}-{next(self._numbers)}"
        self._names.add(name)
        return name

    def note(self, name: str, response: httpx2.Response | None, seconds: float = 0) -> Attempt:
        """Keep what the client was told; None where it got no whole answer."""
        return self._keep(_attempt(name, response, seconds))

    def note_unreached(self, name: str, seconds: float = 0) -> Attempt:
        """Keep that nobody took the connection."""
        return self._keep(Attempt(name, seconds, reached=False))

    def _keep(self, attempt: Attempt) -> Attempt:
        self.attempts.append(attempt)
        return attempt

    def named(self, outcome: Outcome) -> set[str]:
        """The names of the writes that ended so."""
        told = {attempt.name for attempt in self.attempts if attempt.outcome == outcome}
        return told | (self._names - {a.name for a in self.attempts}) if outcome == "unknown" else told

    @property
    def out_of_order(self) -> Counter[str]:
        """The answers that nobody is owed: other than 2xx, and 503 that says when to come back."""
        wrong = [attempt for attempt in self.attempts if not attempt.is_in_order]
        return Counter(f"{attempt.status} {attempt.code}" for attempt in wrong)

    @property
    def figures(self) -> dict[str, float]:
        """How many writes ended in which way, and how long the slowest answer took."""
        slowest = max((attempt.seconds for attempt in self.attempts), default=0)
        counts = {outcome: len(self.named(outcome)) for outcome in get_args(Outcome)}
        return {name: count for name, count in counts.items() if count} | {"slowest_seconds": slowest}

    def compare(self, stored: Iterable[str]) -> Comparison:
        """Hold what clients were told against the names in the table."""
        counts = Counter(stored)
        return Comparison(
            lost=frozenset(self.named("acknowledged") - counts.keys()),
            stored_though_refused=frozenset(
                (self.named("refused") | self.named("unreached")) & counts.keys()
            ),
            twice=frozenset(name for name, count in counts.items() if count > 1),
            unheard_of=frozenset(counts.keys() - self._names),
        )


def code_of(response: httpx2.Response) -> str | None:
    """The code of a problem document; None of any other answer."""
    if response.headers.get("content-type") != MEDIA_TYPE:
        return None
    return str(response.json()["type"]).rpartition("/")[2]


def _attempt(name: str, response: httpx2.Response | None, seconds: float) -> Attempt:
    if response is None:
        return Attempt(name, seconds)
    return Attempt(
        name,
        seconds,
        status=response.status_code,
        code=code_of(response),
        retry_after=response.headers.get("retry-after"),
    )
