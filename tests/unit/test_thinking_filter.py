"""Thoughts are never heard: across chunk borders, unclosed, nested, in capitals."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.language_model.thinking_filter import ThinkingFilter

TAGS = ("<thinking>", "</thinking>", "<THINKING>", "< thinking >", "<thinking/>")
WORDS = (*TAGS, "hello ", "<", "</", "think", "ing>", "好。", "K")


def heard(*deltas: str) -> str:
    thoughts = ThinkingFilter()
    return "".join(thoughts.feed(delta) for delta in deltas) + thoughts.flush()


def expected(text: str) -> str:
    """Word for word what the filter does, on the whole text at once."""
    depth, said = 0, ""
    for piece in re.split(r"(<\s?/?\s?thinking\s?/?>)", text, flags=re.IGNORECASE | re.ASCII):
        if re.fullmatch(r"<\s?/\s?thinking\s?/?>", piece, re.IGNORECASE | re.ASCII):
            depth = max(0, depth - 1)
        elif re.fullmatch(r"<\s?thinking\s?>", piece, re.IGNORECASE | re.ASCII):
            depth += 1
        elif not depth and not re.fullmatch(r"<\s?thinking\s?/>", piece, re.IGNORECASE | re.ASCII):
            said += piece
    return said


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12), st.data())
def test_thoughts_are_unheard_wherever_the_deltas_cut(words: list[str], data: st.DataObject) -> None:
    text = "".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert heard(*deltas) == expected(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<thinking>plan</thinking>Hello.", "Hello."),
        ("<Thinking>plan</THINKING>Hello.", "Hello."),
        ("Hello. <thinking>never closed", "Hello. "),
        ("<thinking>a <thinking>b</thinking> c</thinking>Hello.", "Hello."),
        ("Hello.</thinking> Again.", "Hello. Again."),
        ("a < b and a > b, <think about it>", "a < b and a > b, <think about it>"),
    ],
)
def test_each_letter_may_come_alone(text: str, said: str) -> None:
    assert heard(*text) == said


def test_ordinary_text_is_not_held_back() -> None:
    assert ThinkingFilter().feed("a < b and a > b") == "a < b and a > b"
