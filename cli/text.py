"""Plain text: what is safe to print, aligned columns, and money."""

from collections.abc import Collection, Sequence

from rich.cells import cell_len

LONGEST_NAME = 60


def printable(text: str) -> str:
    """Return text without control characters: what a model or a server wrote must not steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


def shortened(name: str) -> str:
    """Return a name that fits into a table: the beginning and the end of a long one, which tell names apart."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[:half]}…{name[1 - half :]}"


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] | None = None) -> list[str]:
    """Return rows of cells as lines of aligned columns; a cell stays on its line.

    Args:
        rows: Cells, as many in each row.
        left: The columns that are aligned to the left, all others to the right; all columns if None.
    """
    cells = [[printable(cell).replace("\n", "�") for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        padded = [
            cell + space if left is None or place in left else space + cell
            for place, (cell, space) in enumerate(zip(row, spaces, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def money(amount: float) -> str:
    """Return US dollars in cents, or more precisely where an amount under a dollar needs it.

    >>> money(1234.5), money(0.1), money(0.000135)
    ('$1,234.50', '$0.10', '$0.000135')
    """
    if amount >= 1:
        return f"${amount:,.2f}"
    decimals = f"{amount:.6f}".rstrip("0").partition(".")[2]
    return f"${amount:.{max(2, len(decimals))}f}"
