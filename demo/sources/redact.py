"""How a source is called in front of others."""

import re

HIDDEN = "***"
LOGIN = re.compile(r"^([a-z][a-z0-9+.-]*:/+)?.*@", re.IGNORECASE | re.DOTALL)  # to the last @
SECRET = re.compile(
    r"([\w-]*(?:user|usr|login|pass|pwd|token|key|secret|auth|sig)[\w-]*=)[^&;/#\s]*",
    re.IGNORECASE,
)


def redact(source: str) -> str:
    """The source without user, password or token: "rtsp://***@camera/1?token=***".

    Whatever stands before the last @ of an address is hidden, since a password may hold any sign.
    The names of files are left as they are.
    """
    if "://" not in source and ":" not in source.rpartition("@")[0]:
        return source
    hidden = LOGIN.sub(lambda m: f"{m[1] or ''}{HIDDEN}@", source)
    return SECRET.sub(lambda m: m[1] + HIDDEN, hidden)
