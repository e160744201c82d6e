"""The pure parts of the Polly provider: text cut into what one call may hold, languages renamed."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.text_to_speech.polly_text import speakable_pieces, split_text
from workers.text_to_speech.polly_voices import polly_language

FAMILY = "👨‍👩‍👧"
ALPHABET = [*"abc ,.。，\n", "é", FAMILY, "🇩🇪", "👍🏽", "你", "好"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=80).map("".join), st.integers(8, 40))
def test_pieces_are_short_enough_and_joined_equal_the_text(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)


@settings(deadline=None)
@given(st.lists(st.sampled_from([FAMILY, "e\u0301", "🇩🇪", "👍🏽"]), max_size=40).map("".join))
def test_no_visible_character_is_torn(text: str) -> None:
    for piece in split_text(text, 12):
        assert not unicodedata.category(piece[0]).startswith("M")
        assert piece[0] != "\u200d"
        assert piece[-1] != "\u200d"
        assert sum(0x1F1E6 <= ord(character) <= 0x1F1FF for character in piece) % 2 == 0
        assert piece[0] != "🏽"


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_pieces_that_are_not_blank(text: str) -> None:
    assert all(piece.strip() for piece in speakable_pieces(text, 20))


def test_a_sentence_end_is_preferred_to_a_clause_end_and_that_to_a_space() -> None:
    assert split_text("One two. Three, four", 16) == ["One two.", " Three, four"]
    assert split_text("One two, three four", 14) == ["One two,", " three four"]
    assert split_text("One two three", 10) == ["One two ", "three"]


def test_chinese_is_cut_at_its_own_marks() -> None:
    assert split_text("你好。我很好，谢谢你们", 6) == ["你好。", "我很好，", "谢谢你们"]


def test_control_characters_and_lone_surrogates_are_not_spoken() -> None:
    assert speakable_pieces("a\x00b\x1b[31m\ud800c\nd") == ["ab[31mc\nd"]


@pytest.mark.parametrize("text", ["", " \n\t", "\x00"])
def test_blank_text_has_no_pieces(text: str) -> None:
    assert speakable_pieces(text) == []


@pytest.mark.parametrize(("language", "polly"), [("zh-CN", "cmn-CN"), ("en-US", "en-US"), ("cmn-CN", "cmn-CN")])
def test_polly_has_its_own_name_for_chinese(language: str, polly: str) -> None:
    assert polly_language(language) == polly
