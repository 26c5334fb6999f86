"""Errors of a run that a user can mend."""

from models.errors import AgeStreamError


class UserError(AgeStreamError):
    """A source, an output or an option cannot be used. The message is one line for the user: it
    names the thing and the mend."""
