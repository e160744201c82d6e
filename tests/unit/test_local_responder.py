"""The stand-in's answers: honest, short, in the user's language; tools and pictures included."""

import io
from dataclasses import replace
from typing import cast

import pytest
from PIL import Image

from sessions.live.watching.prompts import watch_request
from tests.local_speech import SETTINGS
from tests.unit.realtime_double import session_config
from workers.language_model.contract import (
    ModelEvent,
    ModelFinished,
    ModelMessage,
    ModelOptions,
    ModelPart,
    ModelRequest,
    PicturePart,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUse,
    ToolUsePart,
)
from workers.language_model.local import LocalResponder
from workers.streams.messages import Address
from workers.tools.catalog import run_tool, tool_specs

CLOCK = tool_specs(["current_time"])
WEATHER = ToolSpec(
    "get_weather",
    "The weather.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    runs_at="client",
)


@pytest.fixture(autouse=True)
def answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace at which it writes is for people; what it writes is proved here."""
    monkeypatch.setattr("workers.language_model.local._WORD_SECONDS", 0.0)


def ask(
    *parts: ModelPart,
    earlier: tuple[ModelMessage, ...] = (),
    tools: tuple[ToolSpec, ...] = (),
    language: str = "en-US",
    max_tokens: int = 512,
) -> list[ModelEvent]:
    options = ModelOptions("local", max_tokens=max_tokens, language=language)
    request = ModelRequest("Be brief.", (*earlier, ModelMessage("user", parts)), options, tools)
    return list(LocalResponder(SETTINGS).stream(request))


def say(text: str, *parts: ModelPart, language: str = "en-US") -> str:
    return words(ask(TextPart(text), *parts, language=language))


def words(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def picture(colour: str, captured_at_ms: int = 0) -> PicturePart:
    data = io.BytesIO()
    Image.new("RGB", (320, 180), colour).save(data, "JPEG")
    return PicturePart(data.getvalue(), "jpeg", "camera", captured_at_ms)


def answer_with_tool(
    question: str, tools: tuple[ToolSpec, ...], result: str | None = None, *, fails: bool = False
) -> str:
    use = cast(ToolUse, ask(TextPart(question), tools=tools)[0])
    content = run_tool(use.name, use.arguments) if result is None else result
    asked = ModelMessage("user", (TextPart(question),))
    called = ModelMessage("assistant", (ToolUsePart(use.tool_use_id, use.name, use.arguments),))
    told = ToolResultPart(use.tool_use_id, content, is_error=fails)
    return words(ask(told, earlier=(asked, called), tools=tools))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what is twelve times three", "12 times 3 is 36."),
        ("What's 1,000 + 2.5?", "1000 plus 2.5 is 1002.5."),
        ("two hundred and five minus seventy eight", "205 minus 78 is 127."),
        ("two plus two times four", "2 plus 2 times 4 is 10."),
        ("ten divided by four", "10 divided by 4 is 2.5."),
        ("three point one four times two", "3.14 times 2 is 6.28."),
        ("one divided by zero", "That divides by zero, which has no answer."),
        ("十二乘以三等于多少", "12乘以3等于36。"),
        ("两千零五减六是多少", "2005减6等于1999。"),
        ("一百二十三加四十五", "123加45等于168。"),
        (f"what is {'+'.join('1' * 20)}", f"{' plus '.join('1' * 20)} is 20."),
    ],
)
def test_sums_are_worked_out(question: str, expected: str) -> None:
    assert say(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        f"what is {'+'.join('1' * 21)}",
        f"what is {'+'.join('1' * 30)}?",
        "1e308*1e308",
        "9999999999999999 + 5 + 6",
        f"one{' hundred' * 3_000} point five plus one",
    ],
)
def test_a_sum_that_is_too_long_is_not_worked_out(question: str) -> None:
    assert say(question) == "That sum is too long for me to work out."


def test_a_row_of_minus_signs_is_no_sum() -> None:
    assert "stand-in" in say("-" * 3_000 + "1")


@pytest.mark.parametrize("question", ["who are you", "Are you Nova?", "what is your name"])
def test_it_says_plainly_that_it_is_a_stand_in(question: str) -> None:
    assert "stand-in" in say(question)
    assert "not Nova" in say(question)


def test_it_says_so_in_chinese_too() -> None:
    assert "替身" in say("你是谁？")


@pytest.mark.parametrize(("greeting", "expected"), [("hello", "Hello"), ("你好", "你好")])
def test_a_greeting_is_answered_in_its_language(greeting: str, expected: str) -> None:
    assert say(greeting).startswith(expected)


def test_the_script_of_the_words_goes_before_the_language_of_the_session() -> None:
    assert say("hello", language="zh-CN").startswith("Hello")
    assert say("你好", language="en-US").startswith("你好")


def test_other_words_are_said_back() -> None:
    assert '"the train leaves from platform nine"' in say("the train leaves from platform nine")
    assert "“火车从九号站台出发”" in say("火车从九号站台出发")


def test_counting_and_stories_are_long() -> None:
    assert say("count to thirty").startswith("1, 2, 3,")
    assert say("count to thirty").endswith("29, 30.")
    assert say("数到三十").endswith("29，30。")
    assert len(say("tell me a long story")) > 1_000
    assert len(say("讲一个长故事")) > 300


def test_a_count_has_an_end() -> None:
    assert say("count to one million").endswith("100.")


def test_the_time_is_asked_of_the_tool_and_told() -> None:
    use, finished = ask(TextPart("what time is it in Tokyo"), tools=CLOCK)
    assert isinstance(use, ToolUse)
    assert (use.name, use.arguments) == ("current_time", {"time_zone": "Asia/Tokyo"})
    assert cast(ModelFinished, finished).stop_reason == "tool_use"
    told = '{"time_zone": "Asia/Tokyo", "date": "2026-11-22", "weekday": "Sunday", "time": "17:05"}'
    answer = answer_with_tool("what time is it in Tokyo", CLOCK, told)
    assert answer == "It is 17:05 in Tokyo. Today is Sunday, 22 November 2026."


def test_the_real_tool_s_result_is_understood_in_chinese() -> None:
    answer = answer_with_tool("现在几点", CLOCK)
    assert answer.startswith("现在是")
    assert "星期" in answer


def test_without_the_tool_it_says_that_it_has_no_clock() -> None:
    assert "no clock" in say("what time is it")


def test_another_tool_is_called_with_what_the_question_is_about() -> None:
    use = ask(TextPart("what is the weather in Paris?"), tools=(WEATHER,))[0]
    assert isinstance(use, ToolUse)
    assert (use.name, use.arguments) == ("get_weather", {"city": "Paris"})
    assert "sunny" in answer_with_tool("what is the weather in Paris?", (WEATHER,), "sunny")


def test_a_failed_tool_is_admitted() -> None:
    assert "failed: no such city" in answer_with_tool("the weather please", (WEATHER,), "no such city", fails=True)


@pytest.mark.parametrize(
    ("colour", "expected"), [("red", "red"), ("#2030d0", "blue"), ("white", "white"), ("#603010", "brown")]
)
def test_a_picture_s_size_and_colour_are_told(colour: str, expected: str) -> None:
    answer = say("what do you see", picture(colour))
    assert "320 by 180" in answer
    assert f"mostly {expected}." in answer


def test_the_change_from_the_picture_before_is_told() -> None:
    assert "looks the same" in say("what do you see", picture("red", 1), picture("red", 2))
    changed = say("what do you see", picture("white", 2), picture("black", 1))
    assert "mostly white" in changed
    assert "brighter" in changed


def test_a_picture_is_described_in_chinese() -> None:
    assert "红色" in say("你看到了什么？", picture("red"))


def test_without_a_picture_it_says_so_and_with_a_broken_one_too() -> None:
    assert "not been given a picture" in say("what do you see")
    assert "cannot open" in say("what do you see", PicturePart(b"junk", "jpeg", "camera", 0))


def test_the_limit_of_tokens_ends_the_answer() -> None:
    events = ask(TextPart("tell me a story"), max_tokens=20)
    finished = cast(ModelFinished, events[-1])
    assert finished.stop_reason == "max_tokens"
    assert 0 < finished.usage.output_tokens <= 20


@pytest.mark.parametrize("question", ["hello there my friend", "讲个故事"])
def test_an_answer_comes_in_short_pieces(question: str) -> None:
    events = ask(TextPart(question))
    assert max(len(event.text) for event in events if isinstance(event, TextDelta)) <= 20


def test_of_camera_and_screen_the_one_that_is_asked_about_is_described() -> None:
    screen, camera = replace(picture("blue"), source="screen"), picture("red", 5)
    assert "blue" in say("what is on my screen", screen, camera)
    assert "red" in say("what does my camera show", camera, replace(screen, captured_at_ms=9))
    assert "红色" in say("我的摄像头里有什么", camera, replace(screen, captured_at_ms=9))


def test_a_request_without_words_is_answered() -> None:
    assert words(ask()) == "I did not hear any words. Please say it again."


def test_who_recognises_no_things_has_nothing_to_report_in_watch_mode() -> None:
    asked = watch_request(Address("s", 1, "side", "out"), session_config(), "Is there smoke?", (), (), 0)
    request = ModelRequest(asked.system, (ModelMessage("user", (picture("red"),)),), asked.options)
    assert words(list(LocalResponder(SETTINGS).stream(request))) == "NOTHING"


def test_what_it_looked_at_is_described() -> None:
    use = ModelMessage("assistant", (ToolUsePart("t1", "look", {}),))
    question = ModelMessage("user", (TextPart("Can you see the screen?"),))
    told = ToolResultPart("t1", "The picture beside this is what the camera shows now.")
    events = ask(told, picture("red"), earlier=(question, use), tools=tool_specs(["look"]))
    assert "red" in words(events)
