"""What can go wrong, as data: one class per thing that a caller can do something about.

Code, status and title stand on the class; detail, position and hint on the instance. Nothing here knows how an error is
rendered (`splice.problems`) or where it came from (`splice.faults`). A published code is never reused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "BodyTooLarge",
    "CheckFailed",
    "CommitUnknown",
    "Conflict",
    "ContentTypeUnsupported",
    "DatabaseUnavailable",
    "ForbiddenField",
    "InternalError",
    "Invalid",
    "Issue",
    "MalformedBody",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "NotUnique",
    "PreconditionFailed",
    "Problem",
    "ReferenceMissing",
    "RouteNotFound",
    "SetupError",
    "ShuttingDown",
    "StillReferenced",
    "TooBusy",
    "UnknownField",
    "UnknownParameter",
]


class SetupError(RuntimeError):
    """splice was used in a way that cannot work; the message holds the fix. Raised at start, never while serving."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong, and where.

    At most one of `pointer` (a JSON Pointer into the body, RFC 6901), `parameter` (a query or path parameter) and
    `header` is set.
    """

    detail: str
    code: str
    hint: str | None = None
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class Problem(Exception):
    """An answer that is not a success, before it is written down.

    Args:
        detail: What happened this time, for a person; never holds SQL, driver text or values of other rows.
        hint: What would fix it.
        pointer: JSON Pointer to the part of the body that is at fault.
        parameter: Name of the query or path parameter that is at fault.
        header: Name of the request header that is at fault.
        issues: Used instead of the four above when several things are wrong.
        retry_after_seconds: Sent as `Retry-After`; what the class says if it is not given.
    """

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal server error"
    passes_after_seconds: ClassVar[int | None] = None
    """How long what is wrong usually lasts; None where sending the same again would not help, or do harm."""

    def __init__(  # noqa: PLR0913  # each names another place in a request
        self,
        detail: str | None = None,
        *,
        hint: str | None = None,
        pointer: str | None = None,
        parameter: str | None = None,
        header: str | None = None,
        issues: Sequence[Issue] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        self.detail: str = detail or (issues[0].detail if len(issues) == 1 else self.title)
        self.retry_after_seconds: int | None = (
            self.passes_after_seconds if retry_after_seconds is None else retry_after_seconds
        )
        located = Issue(self.detail, self.code, hint, pointer, parameter, header)
        self.issues: tuple[Issue, ...] = tuple(issues) or ((located,) if _says_more(located) else ())
        super().__init__(self.detail)


def _says_more(issue: Issue) -> bool:
    return any((issue.hint, issue.pointer is not None, issue.parameter, issue.header))


class MalformedBody(Problem):
    """The body cannot be read at all: it is not JSON, or is nested too deeply."""

    code = "malformed-body"
    status = 400
    title = "The body cannot be read"


class ForbiddenField(Problem):
    """A field that clients may not write was sent."""

    code = "forbidden-field"
    status = 422
    title = "A field may not be written"


class NotFound(Problem):
    """No row has this key, or none that the caller may see."""

    code = "not-found"
    status = 404
    title = "Not found"


class RouteNotFound(Problem):
    """Nothing is served at this path."""

    code = "route-not-found"
    status = 404
    title = "Nothing is served here"


class MethodNotAllowed(Problem):
    """The path is served, but not by this method; the header `Allow` names those that are."""

    code = "method-not-allowed"
    status = 405
    title = "Method not allowed"


class NotAcceptable(Problem):
    """The answer cannot be sent in any of the forms that `Accept` names."""

    code = "not-acceptable"
    status = 406
    title = "No acceptable form of the answer"


class Conflict(Problem):
    """The request is well formed, but what is stored does not allow it."""

    code = "conflict"
    status = 409
    title = "Conflict with what is stored"


class NotUnique(Conflict):
    """Another row already has this value in a unique field."""

    code = "not-unique"
    title = "A value is already taken"


class ReferenceMissing(Conflict):
    """A field refers to a row that does not exist."""

    code = "reference-missing"
    title = "A referenced row does not exist"


class StillReferenced(Conflict):
    """The row is referred to by others."""

    code = "still-referenced"
    title = "The row is still referenced"


class CheckFailed(Conflict):
    """A CHECK or exclusion constraint of the database refused the row."""

    code = "check-failed"
    title = "A rule of the database refused this"


class PreconditionFailed(Problem):
    """The row is not the one that `If-Match` or `If-None-Match` asked for."""

    code = "precondition-failed"
    status = 412
    title = "The row has changed"


class BodyTooLarge(Problem):
    """The body is larger than this service accepts."""

    code = "body-too-large"
    status = 413
    title = "The body is too large"


class ContentTypeUnsupported(Problem):
    """The body is of a type that this route does not read."""

    code = "content-type-unsupported"
    status = 415
    title = "Unsupported content type"


class Invalid(Problem):
    """The request can be read, but some of its values are unfit."""

    code = "invalid"
    status = 422
    title = "The request is not valid"


class UnknownField(Invalid):
    """A name is not a field of the model; the nearest one is the hint."""

    code = "unknown-field"
    title = "Unknown field"


class UnknownParameter(Invalid):
    """A query parameter is not known on this route; the nearest one is the hint."""

    code = "unknown-parameter"
    title = "Unknown query parameter"


class InternalError(Problem):
    """Something that the service did not foresee; the log has it under the same request id."""


class TooBusy(Problem):
    """Nothing came free in time: the pool, a lock or the statement timeout; nothing was stored."""

    code = "too-busy"
    status = 503
    title = "Too busy, try again"
    passes_after_seconds: ClassVar[int | None] = 1


class DatabaseUnavailable(Problem):
    """The database cannot be reached; nothing was stored."""

    code = "database-unavailable"
    status = 503
    title = "The database is not available"
    passes_after_seconds: ClassVar[int | None] = 2


class ShuttingDown(Problem):
    """The service is about to end, and wants no more requests; nothing of this one is stored."""

    code = "shutting-down"
    status = 503
    title = "Shutting down"
    passes_after_seconds: ClassVar[int | None] = 5


class CommitUnknown(Problem):
    """The connection was lost during COMMIT: the write may or may not be stored. Read before sending it again."""

    code = "commit-unknown"
    status = 503
    title = "The outcome of the write is unknown"
    # Without Retry-After: a client that obeys it blindly could store the write twice.
    passes_after_seconds: ClassVar[int | None] = None
