"""What was heard, sent and kept: pacing, heard text, history; pure, on virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.live.history import History
from sessions.live.items import Content, FunctionCallItem, FunctionOutputItem, MessageItem
from sessions.live.pacing import PlayOut
from sessions.live.spoken_text import SpokenText
from sessions.live.task_watch import TaskWatch
from sessions.live.word_cutting import cut_words
from workers.errors import BadInputError
from workers.language_model.contract import TextPart, ToolResultPart, ToolUsePart

RATE_HZ = 24_000


def pcm_of(duration_ms: float) -> bytes:
    return bytes(int(RATE_HZ * duration_ms / 1_000) * 2)


# --- pacing ---------------------------------------------------------------------------------------------------------


def test_speech_may_run_two_seconds_ahead() -> None:
    play_out = PlayOut()
    for _ in range(20):
        assert play_out.wait_ms(0) == 0
        play_out.sent(100, 0)
    play_out.sent(100, 0)
    assert play_out.wait_ms(0) == pytest.approx(100)
    assert play_out.wait_ms(100) == 0


def test_without_reports_the_client_is_taken_to_play_from_the_first_chunk() -> None:
    play_out = PlayOut()
    play_out.sent(1_000, 500)
    assert play_out.heard_ms(500) == 0
    assert play_out.heard_ms(900) == pytest.approx(400)
    assert play_out.heard_ms(9_000) == pytest.approx(1_000)


def test_a_report_counts_more_than_the_clock() -> None:
    play_out = PlayOut()
    play_out.sent(1_000, 0)
    play_out.reported(200, 800)
    assert play_out.heard_ms(900) == 200
    assert play_out.lead_ms(800) == pytest.approx(800)


@given(st.lists(st.floats(-1_000, 10_000), max_size=20))
def test_reports_never_run_ahead_of_what_was_sent_nor_back(reports: list[float]) -> None:
    play_out = PlayOut()
    play_out.sent(3_000, 0)
    last = 0.0
    for number, report in enumerate(reports):
        play_out.reported(report, number)
        heard = play_out.heard_ms(number)
        assert last <= heard <= 3_000
        last = heard


# --- heard words ----------------------------------------------------------------------------------------------------


def spoken_reply(*sentences: tuple[str, float]) -> SpokenText:
    """Sentences all sent, each lasting so many milliseconds."""
    text, start_ms = SpokenText(), 0.0
    for index, (words, duration_ms) in enumerate(sentences):
        sentence = text.add(index, words, " " if index else "")
        assert sentence is not None
        sentence.start_ms = start_ms
        sentence.take(pcm_of(duration_ms), RATE_HZ, RATE_HZ)
        sentence.finish(RATE_HZ)
        sentence.is_sent = True
        start_ms += duration_ms
    return text


def test_only_heard_sentences_are_kept() -> None:
    reply = spoken_reply(("One two three.", 1_000), ("Four five six.", 1_000), ("Seven.", 500))
    assert reply.heard_text(1_000) == "One two three."
    assert reply.heard_text(99_000) == "One two three. Four five six. Seven."
    assert reply.heard_text(0) == ""


def test_a_sentence_that_was_cut_keeps_its_first_words() -> None:
    reply = spoken_reply(("One two three.", 1_000), ("Four five six.", 1_000))
    assert reply.heard_text(1_500) == "One two three. Four"


def test_at_most_two_sentences_are_asked_for_ahead() -> None:
    text = SpokenText()
    for index in range(6):
        text.add(index, f"Sentence {index}.", " ")
    assert [sentence.index for sentence in text.to_request()] == [0, 1, 2]
    text.sentences[0].is_sent = True
    assert [sentence.index for sentence in text.to_request()] == [1, 2, 3]


def test_a_second_attempt_goes_on_where_the_first_broke_off() -> None:
    text = SpokenText()
    sentence = text.add(0, "Hello.", "")
    assert sentence is not None
    sentence.take(b"\x01\x00" * 100, RATE_HZ, RATE_HZ)
    sentence.start_over()
    sentence.take(b"\x01\x00" * 60, RATE_HZ, RATE_HZ)
    sentence.take(b"\x01\x00" * 40 + b"\x02\x00" * 50, RATE_HZ, RATE_HZ)
    sentence.finish(RATE_HZ)
    assert b"".join(sentence.chunks) == b"\x01\x00" * 100 + b"\x02\x00" * 50


@given(st.text(max_size=60), st.floats(0, 1))
def test_cut_words_are_a_beginning_of_the_text(text: str, share: float) -> None:
    assert text.startswith(cut_words(text, share))


def test_a_chinese_character_counts_as_a_word() -> None:
    assert cut_words("今天天气很好", 0.5) == "今天天"


# --- lost tasks -----------------------------------------------------------------------------------------------------


def test_a_task_is_lost_after_two_silent_seconds() -> None:
    watch = TaskWatch()
    watch.begin(-1, 0, attempt=0)
    watch.sign(-1, 500)
    assert watch.lost(2_400) == []
    assert watch.lost(2_500) == [-1]
    assert watch.lost(9_000) == []


def test_a_second_attempt_has_more_patience_until_its_first_sign() -> None:
    watch = TaskWatch()
    watch.begin(-1, 0, attempt=1)
    assert watch.lost(5_900) == []
    watch.sign(-1, 5_900)
    assert watch.lost(7_900) == [-1]


# --- history --------------------------------------------------------------------------------------------------------


def message(item_id: str, role: str, text: str) -> MessageItem:
    kind = "output_audio" if role == "assistant" else "input_text"
    return MessageItem(item_id, role, (Content(kind, text),))  # type: ignore[arg-type]


def test_unheard_words_never_reach_the_model() -> None:
    history = History()
    history.add(message("u", "user", "Tell me a story"))
    history.add(message("a", "assistant", "Once upon a time there was a fox."))
    history.cut_to("a", "Once upon")
    assert list(history.for_model(10)[1].parts) == [TextPart("Once upon")]


def test_a_reply_nobody_heard_leaves_no_message() -> None:
    history = History()
    history.add(message("a", "assistant", "Hello"))
    history.cut_to("a", "")
    assert history.for_model(10) == ()


def test_items_go_where_the_client_wants_them() -> None:
    history = History()
    assert history.add(message("a", "user", "a")) is None
    assert history.add(message("b", "user", "b")) == "a"
    assert history.add(message("c", "user", "c"), "a") == "a"
    assert history.add(message("d", "user", "d"), "root") is None
    texts = [part.text for sent in history.for_model(10) for part in sent.parts if isinstance(part, TextPart)]
    assert texts == ["d", "a", "c", "b"]


@pytest.mark.parametrize("after", ["nobody", ""])
def test_an_unknown_previous_item_is_named(after: str) -> None:
    history = History()
    history.add(message("a", "user", "a"))
    with pytest.raises(BadInputError) as caught:
        history.add(message("b", "user", "b"), after)
    assert caught.value.field == "previous_item_id"


def test_tool_calls_and_their_results_are_kept() -> None:
    history = History()
    history.add(FunctionCallItem("f", "call_1", "current_time", '{"zone": "UTC"}'))
    history.add(FunctionOutputItem("o", "call_1", "noon"))
    call, result = history.for_model(10)
    assert call.parts == (ToolUsePart("call_1", "current_time", {"zone": "UTC"}),)
    assert result.parts == (ToolResultPart("call_1", "noon"),)


@pytest.mark.parametrize("known", [(), (FunctionCallItem("f", "call_2", "current_time", "{}"),)])
def test_a_result_of_no_known_call_is_refused_by_name(known: tuple[FunctionCallItem, ...]) -> None:
    history = History()
    for call in known:
        history.add(call)
    with pytest.raises(BadInputError) as caught:
        history.add(FunctionOutputItem("o", "call_1", "noon"))
    assert (caught.value.code, caught.value.field) == ("invalid_tool_call_id", "item.call_id")
    assert "call_1" in caught.value.text


def test_system_items_join_the_instructions() -> None:
    history = History()
    history.add(message("s", "system", "Speak like a pirate."))
    assert history.instructions() == "Speak like a pirate."
    assert history.for_model(10) == ()
