"""Errors that a user can mend: each message is one line for the user."""


class AgeStreamError(Exception):
    """Base of all errors that commands show as one line, with exit code 2. The message names the
    thing at fault and the mend."""


class ModelError(AgeStreamError):
    """A model, its data or its results cannot be used."""
