"""Chooses the local responder's answer from what was said and seen: rules only, no clock, no I/O."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from workers.language_model import local_phrases as phrases
from workers.language_model.contract import (
    ModelRequest,
    PicturePart,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUse,
    ToolUsePart,
)
from workers.language_model.local_arithmetic import find_sum, spoken, whole_numbers
from workers.language_model.local_picture import Language, describe

_HANZI: Final = re.compile(r"[\u3400-\u9fff]")
_LETTERS: Final = re.compile(r"[A-Za-z]{2,}")
_HIGHEST_COUNT: Final = 100
_LONGEST_ECHO: Final = 300
_SOURCE_NAMES: Final = {"camera": ("camera", "摄像"), "screen": ("screen", "屏幕")}
_SUBJECT: Final = re.compile(r"\b(?:in|for|about|of|at)\s+(?:the\s+)?([^,.?!]+)", re.IGNORECASE)


_WATCHES: Final = "answer with the one word NOTHING"
"""Watch mode asks so (sessions.live.watching.prompts). Who recognises no things has nothing to report."""

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str
    language: Language

    def say(self, english: str, chinese: str) -> str:
        return chinese if self.language == "zh" else english


def choose_answer(request: ModelRequest) -> str | ToolUse:
    heard = _heard(request)
    if _WATCHES in request.system:
        return "NOTHING"
    result = _tool_result(request)
    if result is not None:
        has_picture = any(isinstance(part, PicturePart) for part in request.messages[-1].parts)
        return _tell_picture(heard, request) if has_picture else _tell_result(heard, request, result)
    if not heard.text:
        return _tell_picture(heard, request) if _pictures(request) else heard.say(*_NOTHING_HEARD)
    if request.options.must_use_tool and request.tools:
        wanted = _named_tool(heard.text.lower(), request.tools) or request.tools[0]
        return ToolUse(_tool_use_id(), wanted.name, _arguments(heard, wanted))
    return _obey(heard, request)


_NOTHING_HEARD: Final = ("I did not hear any words. Please say it again.", "我没有听到内容，请再说一遍。")


def _obey(heard: _Heard, request: ModelRequest) -> str | ToolUse:
    text = heard.text.lower()
    if phrases.COUNT.search(text):
        return _count(heard)
    if phrases.STORY.search(text):
        return heard.say(phrases.STORY_EN, phrases.STORY_ZH)
    if phrases.WHO.pattern.search(text):
        return heard.say(phrases.WHO.english, phrases.WHO.chinese)
    if phrases.TIME.search(text):
        return _ask_time(heard, request)
    wanted = _named_tool(text, request.tools)
    if wanted is not None:
        return ToolUse(_tool_use_id(), wanted.name, _arguments(heard, wanted))
    if phrases.PICTURE.search(text):
        return _tell_picture(heard, request)
    return _work_out(heard) or _fixed(heard) or _say_back(heard)


def _count(heard: _Heard) -> str:
    numbers = whole_numbers(heard.text) or [10]
    last = min(max(numbers[-1], 1), _HIGHEST_COUNT)
    first = min(max(numbers[0], 0), last) if len(numbers) > 1 else 1
    mark = heard.say(", ", "，")
    return mark.join(str(number) for number in range(first, last + 1)) + heard.say(".", "。")


def _work_out(heard: _Heard) -> str | None:
    found = find_sum(heard.text)
    if found is None:
        return None
    if found.is_too_long:
        return heard.say("That sum is too long for me to work out.", "这道算式太长了，我算不出来。")
    if found.value is None:
        return heard.say("That divides by zero, which has no answer.", "除数是零，没有答案。")
    words = (
        {"+": "加", "-": "减", "*": "乘以", "/": "除以"}
        if heard.language == "zh"
        else {"+": " plus ", "-": " minus ", "*": " times ", "/": " divided by "}
    )
    parts = [spoken(found.operands[0])]
    for operator, operand in zip(found.operators, found.operands[1:], strict=True):
        parts += [words[operator], spoken(operand)]
    return "".join(parts) + heard.say(f" is {spoken(found.value)}.", f"等于{spoken(found.value)}。")


def _fixed(heard: _Heard) -> str | None:
    for phrase in phrases.PHRASES:
        if phrase.pattern.search(heard.text.lower()):
            return heard.say(phrase.english, phrase.chinese)
    return None


def _say_back(heard: _Heard) -> str:
    text = heard.text[:_LONGEST_ECHO].rstrip(" .。")
    return heard.say(
        f'I understood: "{text}". I am only a stand-in for Nova, so I can say it back but not answer it.',
        f"我听到的是：“{text}”。我只是诺娃的替身，只能重复，不能真正回答。",
    )


def _ask_time(heard: _Heard, request: ModelRequest) -> str | ToolUse:
    if not any(tool.name == "current_time" for tool in request.tools):
        return heard.say(
            "I have no clock here: the tool for the time was not given to me.",
            "我这里没有时钟，没有给我查时间的工具。",
        )
    text = heard.text.lower()
    zone = next((zone for city, zone in phrases.CITY_ZONES.items() if city in text), None)
    return ToolUse(_tool_use_id(), "current_time", {"time_zone": zone} if zone else {})


def _named_tool(text: str, tools: tuple[ToolSpec, ...]) -> ToolSpec | None:
    """A tool of which every longer word was said: get_weather by "weather"."""
    for tool in tools:
        words = [word for word in re.split(r"[^a-z0-9]+", tool.name.lower()) if len(word) > 3 and word != "fetch"]
        if words and all(word in text for word in words):
            return tool
    return None


def _arguments(heard: _Heard, tool: ToolSpec) -> dict[str, Any]:
    """Required texts are filled with what the question is about; this is as far as rules go."""
    found = _SUBJECT.findall(heard.text)
    subject = found[-1].strip() if found else heard.text
    properties = tool.parameters.get("properties", {})
    required = tool.parameters.get("required", [])
    return {name: subject for name in required if properties.get(name, {}).get("type") == "string"}


def _tool_use_id() -> str:
    return f"local_{uuid4().hex[:16]}"


def _tell_result(heard: _Heard, request: ModelRequest, result: ToolResultPart) -> str:
    name = _tool_name(request, result.tool_use_id)
    if result.is_error:
        said = result.content[:_LONGEST_ECHO]
        return heard.say(f"The tool {name} failed: {said}", f"工具{name}出错了：{said}")
    if name == "current_time":
        return _tell_time(heard, result.content)
    said = result.content[:_LONGEST_ECHO]
    return heard.say(f"The tool {name} answered: {said}", f"工具{name}的结果是：{said}")


def _tell_time(heard: _Heard, content: str) -> str:
    try:
        told = json.loads(content)
        year, month, day = told["date"].split("-")
        weekday, clock, zone = told["weekday"], told["time"], told["time_zone"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return heard.say(f"The clock says: {content[:_LONGEST_ECHO]}", f"时钟显示：{content[:_LONGEST_ECHO]}")
    place = zone.partition("/")[2].replace("_", " ")
    return heard.say(
        f"It is {clock}{f' in {place}' if place else ''}. "
        f"Today is {weekday}, {int(day)} {_MONTHS[int(month) - 1]} {year}.",
        f"现在是{clock}，今天是{year}年{int(month)}月{int(day)}日，{phrases.WEEKDAYS_ZH.get(weekday, '')}。",
    )


def _tool_name(request: ModelRequest, tool_use_id: str) -> str:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolUsePart) and part.tool_use_id == tool_use_id:
                return part.name
    return "?"


def _tell_picture(heard: _Heard, request: ModelRequest) -> str:
    pictures = _pictures(request)
    if not pictures:
        return heard.say(
            "I have not been given a picture. Turn on the camera or share the screen, and ask me again.",
            "我没有收到图片。请打开摄像头或者共享屏幕，再问我一次。",
        )
    asked = [picture for picture in pictures if _is_asked_about(picture, heard)]
    newest = (asked or pictures)[-1]
    before = [picture for picture in pictures[:-1] if picture.source == newest.source]
    return describe(newest, before[-1] if before else None, heard.language)


def _is_asked_about(picture: PicturePart, heard: _Heard) -> bool:
    return any(name in heard.text.lower() for name in _SOURCE_NAMES.get(picture.source, ()))


def _pictures(request: ModelRequest) -> list[PicturePart]:
    """Oldest first."""
    found = [part for message in request.messages for part in message.parts if isinstance(part, PicturePart)]
    return sorted(found, key=lambda picture: picture.captured_at_ms)


def _tool_result(request: ModelRequest) -> ToolResultPart | None:
    parts = request.messages[-1].parts if request.messages else ()
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    return results[-1] if results else None


def _heard(request: ModelRequest) -> _Heard:
    """The user's newest words; their script decides the language, or the session when they have none."""
    text = next(
        (
            part.text.strip()
            for message in reversed(request.messages)
            if message.role == "user"
            for part in reversed(message.parts)
            if isinstance(part, TextPart) and part.text.strip()
        ),
        "",
    )
    if _HANZI.search(text):
        return _Heard(text, "zh")
    is_chinese = request.options.language.partition("-")[0] in ("zh", "cmn", "yue") and not _LETTERS.search(text)
    return _Heard(text, "zh" if is_chinese else "en")
