"""Names as text that every terminal, window and library takes."""

import re

# Control characters, halves of surrogate pairs (bytes of a file name that are no UTF-8), line and
# paragraph separators, and the marks that turn the direction of what follows
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    r"""The text on one line, with a replacement character for each character that cannot be shown.

    A file name is bytes, and Python keeps those that are no text as halves of surrogate pairs.
    Text with such halves makes OpenCV crash and other libraries raise UnicodeEncodeError.

    >>> printable("M\udcfcller\n.jpg")
    'M\ufffdller\ufffd.jpg'
    """
    return UNPRINTABLE.sub(REPLACEMENT, text)
