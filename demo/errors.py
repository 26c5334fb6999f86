"""What a user did wrong, in one line."""

from models.manifest import ModelError


class UserError(ModelError):
    """Shown as one line, exit code 2: it names the thing and the mend. Whatever a command tells of
    a model is told in the same way, so that one `except` has both."""
