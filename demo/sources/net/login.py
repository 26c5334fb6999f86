"""User and password in an address, and the signs that they must not contain as they are."""

import re
from urllib.parse import quote

ADDRESS_PATTERN = re.compile(r"([^/?#]*://)([^/?#]*)(.*)", re.DOTALL)
HOST_PATTERN = re.compile(r"(\[.*\]|[^:]*)(:[0-9]+)?")
ESCAPE_PATTERN = re.compile("%[0-9a-fA-F]{2}")


def split_login(address: str) -> tuple[str, str]:
    """`user:password` of an address, "" if it has none, and the address without it.

    >>> split_login("http://me:se@cret@camera/a@b")
    ('me:se@cret', 'http://camera/a@b')
    """
    scheme, authority, rest = _parts(address)
    login, _, host = authority.rpartition("@")
    return login, scheme + host + rest


def is_cut(address: str) -> bool:
    """Whether a sign in the password surely ends the login before its @."""
    _, authority, _ = _parts(address)
    return bool(signs_that_cut(address)) and not HOST_PATTERN.fullmatch(authority)


def signs_that_cut(address: str) -> str:
    """How to write the signs that may end the login before its @, as text; "" if none does.

    >>> signs_that_cut("rtsp://me:a#b@camera/1")
    '# is written %23'
    """
    _, authority, rest = _parts(address)
    login = ESCAPE_PATTERN.sub("", (authority + rest).rpartition("@")[0])
    if "@" in authority or ":" not in login:
        return ""
    return ", ".join(f"{s} is written {quote(s, safe='')}" for s in "#/?%@ " if s in login)


def _parts(address: str) -> tuple[str, str, str]:
    """Scheme, authority and the rest."""
    match = ADDRESS_PATTERN.fullmatch(address)
    return (match[1], match[2], match[3]) if match else ("", "", address)
