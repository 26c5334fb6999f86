"""What a user did wrong, in one line."""


class UserError(Exception):
    """Shown as one line, exit code 2: it names the thing and the mend."""
