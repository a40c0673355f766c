"""What a client says of how long it waits."""

import pytest
from starlette.datastructures import Headers

from splice.preferences import wait_seconds


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["wait=10; foo=bar, handling=lenient"], 10),
        (["wait=3, wait=10"], 3),
        ([], None),
        (["respond-async"], None),
        (["wait"], None),
        (["wait=0"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=soon"], None),
        (["await=10"], None),
        (["wait=" + "9" * 400], None),
    ],
)
def test_a_preference_is_read_or_ignored(prefer, seconds):
    """As RFC 7240 has it: the first of several counts, and what nobody can read is no preference."""
    headers = Headers(raw=[(b"prefer", value.encode()) for value in prefer])

    assert wait_seconds(headers) == seconds
