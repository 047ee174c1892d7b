import pytest

from colorizer.errors import InputError
from colorizer.markdown import table_lines
from experiments.tables import replace_table

TEXT = """\
# Title

| a | b |
|---|---|
| 1 | old |
| 2 | old |
| 3 | old |

Words | with | bars.

| b | a |
|---|---|
| 4 | other |
"""


def test_a_table_is_replaced_and_the_rest_stays():
    replaced = replace_table(TEXT, table_lines(["a", "b"], [[1, r"new \1"], [2, "0.2 ± 0.1"]]))
    assert replaced == TEXT.replace("| 1 | old |", r"| 1 | new \1 |").replace(
        "| 2 | old |\n| 3 | old |", "| 2 | 0.2 ± 0.1 |"
    )


@pytest.mark.parametrize(("text", "count"), [("", 0), (TEXT + "\n" + TEXT, 2)])
def test_there_should_be_one_table_with_a_header(text, count):
    message = rf"has {count} tables, should have one, with the header \| a \| b \|$"
    with pytest.raises(InputError, match=message):
        replace_table(text, table_lines(["a", "b"], [[1, 2]]))
