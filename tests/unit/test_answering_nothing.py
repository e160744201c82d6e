"""What is said when there is nothing to answer: push to talk without words, in the agent's own language."""

import pytest

from sessions.graphs.languages import not_heard
from sessions.live.history import History
from sessions.live.items import Content, FunctionCallItem, FunctionOutputItem, Item, MessageItem
from sessions.live.planning import SessionIdentity, make_plan
from sessions.live.transport import ReplyOptions
from sessions.live.watching.look import Look
from tests.unit.realtime_double import session_config

QUESTION = MessageItem("q", "user", (Content("input_audio", "What is two and three?"),))
ANSWER = MessageItem("a", "assistant", (Content("output_audio", "Five."),))
UNHEARD_ANSWER = MessageItem("a", "assistant", (Content("output_audio", ""),), "incomplete")
NO_WORDS = MessageItem("n", "user", (Content("input_audio", ""),))
NO_WORDS_AGAIN = MessageItem("n2", "user", (Content("input_audio", ""),))
PICTURE = MessageItem("p", "user", (Content("input_image", frame_key="nova:frame:1"),))
CALL = FunctionCallItem("f", "call_1", "open_door", "{}")
RESULT = FunctionOutputItem("o", "call_1", "open")


def fixed_text(*items: Item, options: ReplyOptions | None = None, turn_id: str | None = None) -> str | None:
    history = History()
    for item in items:
        history.add(item)
    config = session_config(not_heard="I heard nothing.")
    identity = SessionIdentity("room", 1, "e1", "sess")
    return make_plan(identity, config, history, options or ReplyOptions(), turn_id, None, Look()).fixed_text


@pytest.mark.parametrize(
    "items",
    [
        (NO_WORDS,),
        (QUESTION, ANSWER, NO_WORDS),
        (QUESTION, UNHEARD_ANSWER, NO_WORDS),
        (QUESTION, ANSWER, NO_WORDS, NO_WORDS_AGAIN),
    ],
    ids=["first", "after-an-answer", "after-an-answer-cut-off", "twice"],
)
def test_a_turn_without_words_is_answered_by_a_fixed_phrase(items: tuple[Item, ...]) -> None:
    assert fixed_text(*items) == "I heard nothing."


@pytest.mark.parametrize(
    "items",
    [(), (QUESTION,), (QUESTION, ANSWER), (QUESTION, NO_WORDS), (NO_WORDS, QUESTION), (PICTURE, NO_WORDS),
     (QUESTION, CALL, RESULT), (QUESTION, CALL, RESULT, NO_WORDS)],
    ids=["empty", "question", "answered", "unanswered", "typed-after", "picture", "result", "unanswered-result"],
)  # fmt: skip
def test_what_is_not_answered_yet_goes_to_the_model(items: tuple[Item, ...]) -> None:
    assert fixed_text(*items) is None


@pytest.mark.parametrize(
    "options",
    [
        ReplyOptions(instructions="Greet the user."),
        ReplyOptions(input_items=(QUESTION,)),
        ReplyOptions(is_out_of_band=True),
    ],
    ids=["instructions", "input", "out-of-band"],
)
def test_a_client_that_says_what_to_answer_gets_that(options: ReplyOptions) -> None:
    assert fixed_text(QUESTION, ANSWER, NO_WORDS, options=options) is None


def test_a_turn_with_words_is_answered_though_the_one_before_had_none() -> None:
    assert fixed_text(QUESTION, ANSWER, NO_WORDS, turn_id="t") is None


@pytest.mark.parametrize(("language", "words"), [("cmn-CN", "没有听到"), ("en-GB", "hear"), ("sv-SE", "hear")])
def test_the_phrase_is_in_the_voices_language_or_in_english(language: str, words: str) -> None:
    assert words in not_heard(language)
