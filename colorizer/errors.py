"""Errors that the user can fix, as one line on standard error."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class InputError(Exception):
    """A file or parameter that cannot be used.

    The message is one line that names the file or parameter and says what is wrong.
    """


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line on standard error when the user can fix the cause.

    The exit status is 1 for bad input, for too little memory and for errors of the operating system
    (disk full, permission denied), 130 for Ctrl-C and 143 for SIGTERM; partial files are removed in
    all these cases. Any other exception is a defect of the program and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if sys.stderr is None:  # closed by `2>&-`: progress bars need one to write to
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 open for as long as the program
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
    except MemoryError as error:
        sys.exit(f"error: {str(error) or 'there is too little memory'}")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)
