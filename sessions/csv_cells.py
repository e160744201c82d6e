"""Cells of CSV files that spreadsheets open: text that begins like a formula stays text."""

import csv
from collections.abc import Iterable
from decimal import Decimal
from typing import TextIO

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


DECIMALS = 10


def plain_number(value: float | Decimal) -> str:
    """In full and never as 0E-8: at most ten decimals, none that say nothing."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def csv_cell(value: object) -> str:
    """Numbers as they are; words that a spreadsheet would compute get an apostrophe in front, which it does not show."""
    if value is None:
        return ""
    is_number = isinstance(value, int | float | Decimal)
    text = plain_number(value) if isinstance(value, float | Decimal) else str(value)
    return f"'{text}" if not is_number and text.lstrip(" ").startswith(FORMULA_STARTS) else text


def write_csv(out: TextIO, rows: Iterable[Iterable[object]]) -> None:
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([csv_cell(value) for value in row])
