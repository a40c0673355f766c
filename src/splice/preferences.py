"""What a client would like (RFC 7240); of that, how long it waits."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers

__all__ = ["wait_seconds"]

_WAIT: Final = re.compile(r"""(?:^|,)\s*wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))\s*(?:[;,]|$)""", re.IGNORECASE)


def wait_seconds(headers: Headers) -> int | None:
    """The seconds of `Prefer: wait=10`; None where there is no such preference, or one that nobody can read.

    A preference is not an order: what cannot be read is ignored, as the standard wants it.
    """
    found = _WAIT.search(",".join(headers.getlist("prefer")))
    seconds = int(found[1] or found[2]) if found else 0
    return seconds or None
