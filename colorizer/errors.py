"""What goes wrong, in the words of the person who can mend it."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class InputError(Exception):
    """A file or parameter that cannot be used; the message is one line.

    The message names the file or parameter, says what is wrong and what would be right.
    """


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line on standard error for what its user can mend.

    Exit status 1 for bad input and for what the operating system refuses (disk full, no
    permission), 130 for Ctrl-C and 143 for SIGTERM, after both of which half-written files are
    removed. Anything else is a defect of the program and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)
