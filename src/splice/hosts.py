"""Several hosts in one database URL, as libpq spells them: `postgresql://user@one:5432,two:5433/db`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from sqlalchemy.engine import URL

__all__ = ["hosts_apart", "hosts_of"]

_SEVERAL: Final = re.compile(
    r"(?P<start>[\w+]+://(?:[^/?]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)


def hosts_apart(text: str) -> str:
    """The same URL as SQLAlchemy reads it: one host a parameter, each with its port."""
    found = _SEVERAL.fullmatch(text)
    if found is None:
        return text
    hosts = urlencode([("host", host) for host in found["hosts"].split(",")], safe=":[]")
    query = "&".join(filter(None, (hosts, found["query"])))
    return f"{found['start']}{found['path'] or '/'}?{query}"


def hosts_of(url: URL) -> list[str]:
    """Where the database may be, each with its port if the URL says one."""
    several = url.query.get("host", ())
    named = [several] if isinstance(several, str) else list(several)
    return named or [f"{url.host or 'localhost'}{f':{url.port}' if url.port else ''}"]
