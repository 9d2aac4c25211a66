import pytest
from rich.cells import cell_len

from prefpipe.cli.text import aligned, money, printable, shortened


def test_columns_are_aligned_to_the_left_but_for_those_that_are_not() -> None:
    rows = [["a", "bb", "c"], ["ddd", "e", ""]]
    assert aligned(rows) == ["a    bb  c", "ddd  e"]
    assert aligned(rows, left=()) == ["  a  bb  c", "ddd   e"]
    assert aligned(rows, left={0}) == ["a    bb  c", "ddd   e"]
    assert aligned([]) == []


def test_a_cell_cannot_steer_the_terminal_or_break_the_table() -> None:
    assert aligned([["a\x1b[31m\nb", "c"]]) == ["a�[31m�b  c"]


@pytest.mark.parametrize("left", [None, ()])
def test_columns_are_as_wide_as_their_cells_are_on_a_terminal(left: tuple[int, ...] | None) -> None:
    rows = [["名前🚀", "1", "|"], ["e\u0301", "22", "|"], ["plain", "333", "|"]]
    lines = aligned(rows, left)
    assert {cell_len(line.partition("|")[0]) for line in lines} == {6 + 2 + 3 + 2}
    assert aligned([["名", "1"], ["a", "2"]]) == ["名  1", "a   2"]
    assert aligned([["名", "1"], ["a", "2"]], left=()) == ["名  1", " a  2"]


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shortened("a" * 60) == "a" * 60
    name = shortened("start" + "x" * 300 + "end")
    assert (len(name), name[:5], name[30], name[-3:]) == (60, "start", "…", "end")


def test_text_keeps_its_lines_and_loses_what_steers_the_terminal() -> None:
    assert printable("é\n\x1b\x07\u202e") == "é\n���"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"),
        (0.0000004, "$0.00"),
        (0.000135, "$0.000135"),
        (0.1, "$0.10"),
        (0.9999999, "$1.00"),
        (1.005, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_is_in_cents_or_finer_where_an_amount_is_small(amount: float, shown: str) -> None:
    assert money(amount) == shown
