"""What every language model provider must pass. Subclass it as `Test...` in a test file and give it a `model`."""

import io
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest
from PIL import Image

from workers.errors import ReplyCancelled
from workers.language_model.contract import (
    LanguageModel,
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

CURRENT_TIME = ToolSpec(
    "current_time",
    "The current time, of a time zone when one is named.",
    {"type": "object", "properties": {"time_zone": {"type": "string"}}},
)


class LanguageModelSuite:
    model_id = "us.amazon.nova-pro-v1:0"

    @pytest.fixture
    def model(self) -> LanguageModel:
        raise NotImplementedError

    def expect_tool_use(self) -> None:
        """Called before the question that a tool should answer; a scripted model is told here."""

    # --- what the checks are made of -----------------------------------------------------------------------------

    def request(
        self, *history: ModelMessage, tools: tuple[ToolSpec, ...] = (), language: str = "en-US"
    ) -> ModelRequest:
        return ModelRequest("Answer briefly.", history, ModelOptions(self.model_id, language=language), tools)

    def ask(self, model: LanguageModel, *content: ModelPart, **options: Any) -> list[ModelEvent]:
        return list(model.stream(self.request(ModelMessage("user", content), **options)))

    # --- the checks ----------------------------------------------------------------------------------------------

    def test_it_fulfils_the_contract(self, model: LanguageModel) -> None:
        assert isinstance(model, LanguageModel)

    def test_text_comes_in_pieces_and_the_end_comes_once_and_last(self, model: LanguageModel) -> None:
        *events, last = self.ask(model, TextPart("Good morning, please tell me about apples."))
        assert isinstance(last, ModelFinished)
        assert last.stop_reason == "end_turn"
        assert len(events) > 1
        assert all(isinstance(event, TextDelta) and event.text for event in events)

    def test_what_it_used_is_told(self, model: LanguageModel) -> None:
        usage = cast(ModelFinished, self.ask(model, TextPart("Hello, how are you?"))[-1]).usage
        assert usage.input_tokens > 0
        assert usage.output_tokens > 0

    def test_a_chinese_question_has_a_chinese_answer(self, model: LanguageModel) -> None:
        answer = spoken(self.ask(model, TextPart("你好，今天天气怎么样？"), language="zh-CN"))
        assert any("\u4e00" <= character <= "\u9fff" for character in answer)

    def test_many_streams_run_at_once_and_do_not_mix(self, model: LanguageModel) -> None:
        fruits = ["bananas", "cherries", "oranges", "walnuts"]
        answers: dict[str, str] = {}

        def run(fruit: str) -> None:
            answers[fruit] = spoken(self.ask(model, TextPart(f"I was talking about {fruit}")))

        threads = [threading.Thread(target=run, args=(fruit,)) for fruit in fruits]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert {fruit: [other for other in fruits if other in answers[fruit]] for fruit in fruits} == {
            fruit: [fruit] for fruit in fruits
        }

    def test_closing_in_the_middle_ends_the_stream(self, model: LanguageModel) -> None:
        stream = cast(Any, self.long_answer(model))
        next(stream)
        stream.close()
        assert list(stream) == []

    def test_a_cancelled_reply_leaves_as_it_came(self, model: LanguageModel) -> None:
        stream = cast(Any, self.long_answer(model))
        next(stream)
        with pytest.raises(ReplyCancelled):
            stream.throw(ReplyCancelled())
        assert list(stream) == []

    def test_it_answers_again_after_a_closed_stream(self, model: LanguageModel) -> None:
        with closing(cast(Any, self.long_answer(model))) as stream:
            next(stream)
        assert spoken(self.ask(model, TextPart("Hello again")))

    def test_a_tool_is_called_and_its_result_becomes_an_answer(self, model: LanguageModel) -> None:
        self.expect_tool_use()
        question = ModelMessage("user", (TextPart("What time is it now?"),))
        *_, use, finished = model.stream(self.request(question, tools=(CURRENT_TIME,)))
        assert isinstance(use, ToolUse)
        assert (use.name, cast(ModelFinished, finished).stop_reason) == ("current_time", "tool_use")
        called = ModelMessage("assistant", (ToolUsePart(use.tool_use_id, use.name, use.arguments),))
        told = ModelMessage("user", (ToolResultPart(use.tool_use_id, "2026-11-22T08:15:00+00:00"),))
        answer = list(model.stream(self.request(question, called, told, tools=(CURRENT_TIME,))))
        assert cast(ModelFinished, answer[-1]).stop_reason == "end_turn"
        assert spoken(answer).strip()

    def test_a_picture_is_taken(self, model: LanguageModel) -> None:
        picture = PicturePart(red_jpeg(), "jpeg", "camera", captured_at_ms=0)
        assert spoken(self.ask(model, TextPart("What do you see?"), picture)).strip()

    @pytest.mark.parametrize("first", ["user", "assistant"])
    def test_a_history_that_breaks_the_rules_is_mended(self, model: LanguageModel, first: str) -> None:
        history = (
            ModelMessage(cast(Any, first), (TextPart("Welcome."),)),
            ModelMessage("user", (TextPart(" "),)),
            ModelMessage("user", (TextPart("My name is Ada."), ToolResultPart("gone", "nobody asked"))),
            ModelMessage("assistant", (ToolUsePart("unanswered", "current_time", {}),)),
            ModelMessage("assistant", (TextPart("Hello Ada."),)),
            ModelMessage("user", (TextPart("Good morning."),)),
        )
        assert spoken(model.stream(self.request(*history))).strip()

    def long_answer(self, model: LanguageModel) -> Iterator[ModelEvent]:
        return model.stream(self.request(ModelMessage("user", (TextPart("Please tell me a long story."),))))


def spoken(events: Any) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def red_jpeg() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (320, 180), (220, 20, 20)).save(data, "JPEG")
    return data.getvalue()
