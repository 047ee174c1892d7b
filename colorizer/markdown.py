"""Tables and numbers in Markdown."""

import statistics
from collections.abc import Iterable, Sequence


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A title, an empty line and a table with a line for each row."""
    return "\n".join([f"\n{title}\n", *table_lines(columns, rows)])


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table: the header, the line below it, and a line for each row."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (columns, *rows)]
    return [lines[0], f"|{'---|' * len(columns)}", *lines[1:]]


def median_and_range(values: Sequence[float], digits: int) -> str:
    """Median, with minimum and maximum in parentheses."""
    median = statistics.median(values)
    return f"{median:.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"
