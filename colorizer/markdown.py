"""Tables and numbers in Markdown."""

import statistics
from collections.abc import Sequence


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A title, an empty line and a table with a line for each row."""
    lines = [f"\n{title}\n", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def median_and_range(values: Sequence[float], digits: int) -> str:
    """Median, with minimum and maximum in parentheses."""
    median = statistics.median(values)
    return f"{median:.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"
