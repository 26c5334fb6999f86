"""Suppress what TensorFlow and other C++ libraries print on standard error when they start."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # 0 = all lines, 1 = warnings, 2 = errors, 3 = fatal errors


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Import Keras, or modules that import it, inside this context: TensorFlow's start-up lines do
    not reach standard error. Later errors do. TF_CPP_MIN_LOG_LEVEL=0 in the environment keeps all.

    TensorFlow logs some lines before its log level counts, and on a machine without a GPU it
    reports that as an error when it looks for devices: so standard error is closed for both steps.
    """
    os.environ.setdefault(LOG_LEVEL, "2")
    if os.environ[LOG_LEVEL] == "0":
        yield
        return
    with stderr_closed():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()
        yield


@contextmanager
def stderr_closed() -> Iterator[TextIO]:
    """Discard everything written to file descriptor 2, also by C++ libraries. Yields a file that
    still writes to standard error, for progress bars."""
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as kept, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield kept
        finally:
            kept.flush()
            os.dup2(kept.fileno(), 2)
