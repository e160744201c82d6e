"""Cells of CSV files that spreadsheets open: text that begins like a formula stays text."""

import csv
from collections.abc import Iterable
from typing import TextIO

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def csv_cell(value: object) -> str:
    """Numbers as they are; words that a spreadsheet would compute get an apostrophe in front, which it does not show."""
    if value is None:
        return ""
    text = str(value)
    is_number = isinstance(value, int | float) or type(value).__name__ == "Decimal"
    return f"'{text}" if not is_number and text.lstrip(" ").startswith(FORMULA_STARTS) else text


def write_csv(out: TextIO, rows: Iterable[Iterable[object]]) -> None:
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([csv_cell(value) for value in row])
