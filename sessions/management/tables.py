"""Tables for a terminal: columns as wide as they need, numbers to the right."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    is_number = [all(_is_number(row[column]) for row in rows) and bool(rows) for column in range(len(head))]
    ruler = ["-" * width for width in widths]
    return "\n".join(_line(cells, widths, is_number) for cells in [head, ruler, *rows]) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    placed = zip(cells, widths, is_number, strict=True)
    return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in placed).rstrip()


def _is_number(cell: str) -> bool:
    return not cell or cell.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()
