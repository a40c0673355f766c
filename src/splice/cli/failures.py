"""What went wrong, as one sentence with the fix: never a traceback, never a password."""

from __future__ import annotations

import re

from splice.drivers import classify, sqlstate_of
from splice.errors import Issue, Problem, SetupError
from splice.loading import described

__all__ = ["sentence_of"]


def sentence_of(error: BaseException) -> str:
    """Any error in one sentence; what nobody foresaw names its class and where to look."""
    if isinstance(error, SetupError):
        return str(error)
    if isinstance(error, Problem):
        return _problem(error)
    if classify(error) is not None:
        return f"the database refused what it was asked ({_name(error)}); are its tables there? --debug shows more"
    return f"{described(error)}; this was not foreseen, --debug shows where it comes from"


def _problem(error: Problem) -> str:
    return (
        f"{error.status} {error.title}: {'; '.join(_issue(issue) for issue in error.issues) or error.detail}"
    )


def _issue(issue: Issue) -> str:
    place = (issue.pointer or "").lstrip("/") or issue.parameter or ""
    where = "" if not place or re.search(rf"\b{re.escape(place)}\b", issue.detail) else f"{place}: "
    return f"{where}{issue.detail}{f' ({issue.hint})' if issue.hint else ''}"


def _name(error: BaseException) -> str:
    state = sqlstate_of(error)
    return type(error).__name__ + (f" {state}" if state else "")
