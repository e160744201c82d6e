"""Finds a sum in what somebody said, in digits, English or Chinese words, and works it out."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_SMALL: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_UNITS: Final = {word: number for number, word in enumerate(_SMALL)} | {"oh": 0, "a": 1}
_TENS: Final = {
    word: 10 * (number + 2)
    for number, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"))
}
_SCALES: Final = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_HANZI_DIGITS: Final = {digit: number for number, digit in enumerate("零一二三四五六七八九")} | {
    "两": 2,
    "〇": 0,
}
_HANZI_SCALES: Final = {"十": 10, "百": 100, "千": 1_000, "万": 10_000}
_OPERATORS: Final = {
    **dict.fromkeys(("plus", "+", "加", "加上"), "+"),
    **dict.fromkeys(("minus", "-", "−", "减", "减去"), "-"),
    **dict.fromkeys(("times", "multiplied", "x", "*", "×", "乘", "乘以"), "*"),
    **dict.fromkeys(("divided", "over", "/", "÷", "除以"), "/"),
}
_TOKEN: Final = re.compile(
    r"\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?|[零〇一二三四五六七八九十百千万两]+(?:点[零〇一二三四五六七八九]+)?|加上?|减去?|乘以?|除以"
    r"|[a-z]+|[-+*/×÷−]"
)
_MAX_OPERANDS: Final = 20
_MAX_DIGITS: Final = 15
_TOO_LARGE: Final = 10**30


@dataclass(frozen=True, slots=True)
class Sum:
    """`value` is None when it divides by zero. `operators` stand between the operands and are + - * /.

    One with too many operands, or too large ones, is not worked out and holds nothing else.
    """

    operands: tuple[Fraction, ...]
    operators: tuple[str, ...]
    value: Fraction | None
    is_too_long: bool = False


def find_sum(text: str) -> Sum | None:
    """The first sum of at least two numbers, or None."""
    tokens = [word for word in _TOKEN.findall(text.lower()) if word not in ("by",)]
    operands: list[Fraction] = []
    operators: list[str] = []
    at = 0
    while at < len(tokens) and len(operands) <= _MAX_OPERANDS:
        number, after = _number(tokens, at)
        if number is None:
            if len(operands) > 1:
                break
            operands, operators = [], []
            at += 1
            continue
        operands.append(number)
        following = _OPERATORS.get(tokens[after]) if after < len(tokens) else None
        if following is None or _number(tokens, after + 1)[0] is None:
            if len(operands) > 1:
                break
            operands, operators = [], []
        else:
            operators.append(following)
            after += 1
        at = after
    if len(operands) < 2:
        return None
    if len(operands) > _MAX_OPERANDS or any(abs(operand) >= _TOO_LARGE for operand in operands):
        return Sum((), (), None, is_too_long=True)
    return Sum(tuple(operands), tuple(operators), _work_out(operands, operators))


def spoken(number: Fraction) -> str:
    """In digits, rounded to four places."""
    if number.denominator == 1:
        return str(number.numerator)
    return f"{float(number):.4f}".rstrip("0").rstrip(".")


def whole_numbers(text: str) -> list[int]:
    """Every whole number that is named in the text, in order."""
    tokens = _TOKEN.findall(text.lower())
    numbers: list[int] = []
    at = 0
    while at < len(tokens):
        number, after = _number(tokens, at)
        is_named = tokens[at] not in ("a", "oh")
        if number is not None and number.denominator == 1 and is_named:
            numbers.append(number.numerator)
        at = max(after, at + 1)
    return numbers


def _work_out(operands: list[Fraction], operators: list[str]) -> Fraction | None:
    terms = [operands[0]]
    for operator, operand in zip(operators, operands[1:], strict=True):
        if operator == "/" and operand == 0:
            return None
        if operator == "*":
            terms[-1] *= operand
        elif operator == "/":
            terms[-1] /= operand
        else:
            terms.append(operand if operator == "+" else -operand)
    return sum(terms, Fraction(0))


def _number(tokens: list[str], at: int) -> tuple[Fraction | None, int]:
    """The number that starts at this token and the place after it; one too long to be read counts as _TOO_LARGE."""
    if at >= len(tokens):
        return None, at
    first = tokens[at]
    if _OPERATORS.get(first) == "-":
        if at + 1 < len(tokens) and _OPERATORS.get(tokens[at + 1]) == "-":
            return None, at
        number, after = _number(tokens, at + 1)
        return (None if number is None else -number), after
    if first[0].isdigit():
        plain = first.replace(",", "")
        is_readable = len(plain) <= _MAX_DIGITS and "e" not in plain
        return (Fraction(plain) if is_readable else Fraction(_TOO_LARGE)), at + 1
    if first[0] in _HANZI_DIGITS or first[0] in _HANZI_SCALES:
        return _hanzi_number(first), at + 1
    return _english_number(tokens, at)


def _english_number(tokens: list[str], at: int) -> tuple[Fraction | None, int]:
    start, total, current = at, 0, 0
    while at < len(tokens):
        word = tokens[at]
        if word in _UNITS:
            current += _UNITS[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred" and at > start:
            current = min(max(1, current) * 100, _TOO_LARGE)
        elif word in _SCALES and at > start:
            total, current = total + max(1, current) * _SCALES[word], 0
        elif word != "and" or at == start or tokens[at - 1] not in ("hundred", *_SCALES):
            break
        at += 1
    if at == start:
        return None, start
    if at + 1 < len(tokens) and tokens[at] == "point" and tokens[at + 1] in _UNITS:
        return _english_decimals(tokens, at + 1, total + current)
    return Fraction(total + current), at


def _english_decimals(tokens: list[str], at: int, whole: int) -> tuple[Fraction, int]:
    digits = ""
    while at < len(tokens) and _UNITS.get(tokens[at], 10) < 10 and len(digits) < _MAX_DIGITS:
        digits += str(_UNITS[tokens[at]])
        at += 1
    return Fraction(f"{whole}.{digits or 0}"), at


def _hanzi_number(token: str) -> Fraction:
    whole, _, decimals = token.partition("点")
    total = section = digit = 0
    for character in whole[:_MAX_DIGITS]:
        if character in _HANZI_DIGITS:
            digit = _HANZI_DIGITS[character] if digit == 0 else digit * 10 + _HANZI_DIGITS[character]
        elif character == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        else:
            section += (digit or 1) * _HANZI_SCALES[character]
            digit = 0
    digits = "".join(str(_HANZI_DIGITS[character]) for character in decimals[:_MAX_DIGITS])
    return Fraction(f"{total + section + digit}.{digits or 0}")
