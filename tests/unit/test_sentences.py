"""The sentence cutter: nothing lost, nothing cut at the wrong mark, the first piece early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.sentences import Sentence, SentenceCutter, speakable

WORDS = ("e.g. ", "Dr. ", "3.14", "https://a.b/c?d ", *"ab Z1.,;?!…，。！？；\n\"'”)你好世U")
TEXTS = st.lists(st.sampled_from(WORDS)).map("".join)


def cut(text: str) -> list[Sentence]:
    cutter = SentenceCutter()
    return cutter.feed(text) + cutter.flush()


def texts(text: str) -> list[str]:
    return [sentence.text for sentence in cut(text)]


@given(TEXTS)
def test_separators_texts_and_rest_are_what_was_fed(text: str) -> None:
    cutter = SentenceCutter()
    sentences = cutter.feed(text) + cutter.flush()
    assert "".join(sentence.separator + sentence.text for sentence in sentences) + cutter.rest == text
    assert not cutter.rest.strip()


@given(st.lists(st.text(st.sampled_from(list("ab Z1.,?!，。\n”你e.g.")), max_size=6)))
def test_the_division_of_the_text_does_not_change_the_cuts(pieces: list[str]) -> None:
    cutter = SentenceCutter()
    sentences = [sentence for piece in pieces for sentence in cutter.feed(piece)] + cutter.flush()
    assert sentences == cut("".join(pieces))


@given(TEXTS)
def test_no_piece_is_blank(text: str) -> None:
    assert all(sentence.text.strip() == sentence.text != "" for sentence in cut(text))


@pytest.mark.parametrize(
    "text",
    [
        "It costs 3.14 dollars",
        "Use fruit, e.g. apples",
        "Ask Dr. Smith",
        "See https://example.com/a,b?c=d.e",
        "There are 1,000 of them",
        "George W. Bush",
        "Pens, ink etc. and more",
        "1. Apples",
        "In the U.S. Army there are many",
        "Washington D.C. is the capital",
        "Ask a Ph.D. student",
        "On Jan. 5 we met",
        "Write to ada.b@example.com today",
        "“Really?” he asked",
    ],
)
def test_it_does_not_cut_inside(text: str) -> None:
    assert texts(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("你好。今天好吗？好！", ["你好。", "今天好吗？", "好！"]),
        ("He said “go.” Then he went.", ["He said “go.”", "Then he went."]),
        ("“好的。”他说。", ["“好的。”", "他说。"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("One line\nanother line", ["One line", "another line"]),
        ("At 5 p.m. We go.", ["At 5 p.m.", "We go."]),
        ("It is I. Come in.", ["It is I.", "Come in."]),
        ("I live in the U.S. It is big.", ["I live in the U.S.", "It is big."]),
        ("“Really?” “Yes!” She smiled.", ["“Really?”", "“Yes!”", "She smiled."]),
        (
            "他说：“好的！”然后走了。真的吗？！是的……对。",
            ["他说：“好的！”", "然后走了。", "真的吗？！", "是的……", "对。"],
        ),
    ],
)
def test_a_sentence_ends_at(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_the_first_clause_is_cut_early_and_later_ones_when_they_are_long() -> None:
    assert texts("Good morning Ada, it is nice, really nice to see you again, my friend.") == [
        "Good morning Ada,",
        "it is nice, really nice to see you again,",
        "my friend.",
    ]


def test_wide_commas_cut_by_their_own_lengths() -> None:
    assert texts("今天天气很好，我去，你也可以和我们一起去公园走走，好吗") == [
        "今天天气很好，",
        "我去，你也可以和我们一起去公园走走，",
        "好吗",
    ]


def test_a_sentence_leaves_as_soon_as_the_next_character_has_come() -> None:
    cutter = SentenceCutter()
    assert cutter.feed("Hello.") == []
    assert cutter.feed(" ") == [Sentence("Hello.")]


def test_text_without_any_mark_is_cut_at_a_space_first_early_and_then_before_four_hundred_characters() -> None:
    first, *others = texts("word " * 300)
    assert len(first) <= 120
    assert 120 < max(map(len, others)) <= 400
    assert all(piece.endswith("word") for piece in (first, *others))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Hello** _there_, `you`", "Hello there, you"),
        ("# Head\n- one\n* two", "Head one two"),
        ("[our page](https://a.b/c)", "our page"),
        ("see https://www.a.com/b?c=d", "see a.com"),
        ("Well done 😀👍🏽!", "Well done!"),
        ("snake_case and 2 * 3", "snake_case and 2 * 3"),
        ("a < b", "a < b"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b, 1, 2"),
        ("😀", ""),
        ("---", ""),
        ("你好😊，世界", "你好，世界"),
    ],
)
def test_speakable_leaves_what_can_be_said(text: str, expected: str) -> None:
    assert speakable(text) == expected
