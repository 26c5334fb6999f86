"""Addresses without their secrets, for display and logs."""

import re

HIDDEN = "***"
LOGIN_PATTERN = re.compile(  # up to the last @
    r"^([a-z][a-z0-9+.-]*:/+)?.*@", re.IGNORECASE | re.DOTALL
)
SECRET_PATTERN = re.compile(
    r"([\w-]*(?:user|usr|login|pass|pwd|token|key|secret|auth|sig)[\w-]*=)[^&;/#\s]*",
    re.IGNORECASE,
)


def redact(source: str) -> str:
    """Replace user, password and tokens in an address by asterisks; leave file names unchanged.

    Everything before the last @ is hidden, since a password may contain any character.

    >>> redact("rtsp://admin:se@cret@camera/1?token=abc&channel=2")
    'rtsp://***@camera/1?token=***&channel=2'
    """
    if "://" not in source and ":" not in source.rpartition("@")[0]:
        return source
    hidden = LOGIN_PATTERN.sub(lambda m: f"{m[1] or ''}{HIDDEN}@", source)
    return SECRET_PATTERN.sub(lambda m: m[1] + HIDDEN, hidden)
