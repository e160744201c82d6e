"""Owns the JSON of Transcribe's results: words, items, stability; pure functions on text and times."""

import re
from dataclasses import dataclass
from typing import Any

from tests.aws_emulator.script import ScriptedItem, ScriptedResult
from tests.aws_emulator.transcribe_checks import StreamParameters

Json = dict[str, Any]

_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+(?:['’-][^\W\u3400-\u9fff]+)*|[^\w\s]")
_PUNCTUATION = re.compile(r"[^\w\s]")
_UNSTABLE_TAIL_WORDS = 1


@dataclass(frozen=True)
class Utterance:
    """A text spread evenly over a stretch of the stream's audio."""

    result_id: str
    text: str
    start_ms: float
    ms_per_word: float

    @property
    def words(self) -> int:
        return sum(1 for token in _TOKEN.finditer(self.text) if not _PUNCTUATION.fullmatch(token[0]))


@dataclass(frozen=True)
class TimedWord:
    """A word and when it was said, counted from the start of the stream's audio."""

    content: str
    start_ms: float
    end_ms: float


def empty_event() -> Json:
    return {"Transcript": {"Results": []}}


def partial_event(spoken: Utterance, words: int, all_stable: bool, parameters: StreamParameters) -> Json:
    """The first `words` words; the last one may still change unless all are stable."""
    tokens = _first_words(spoken.text, words)
    stable_until = len(tokens) if all_stable else max(0, len(tokens) - _UNSTABLE_TAIL_WORDS)
    items = [
        _item(token[0], number, spoken, number < stable_until if parameters.stabilizes else None)
        for number, token in enumerate(tokens)
    ]
    shown = spoken.text[: tokens[-1].end()] if tokens else ""
    end_ms = spoken.start_ms + len(tokens) * spoken.ms_per_word
    return _event(spoken.result_id, shown, True, items, spoken.start_ms, end_ms, parameters)


def final_event(spoken: Utterance, end_ms: float, parameters: StreamParameters) -> Json:
    tokens = list(_TOKEN.finditer(spoken.text))
    stable = True if parameters.stabilizes else None
    items = [_item(token[0], number, spoken, stable) for number, token in enumerate(tokens)]
    return _event(spoken.result_id, spoken.text, False, items, spoken.start_ms, end_ms, parameters)


def timed_event(result_id: str, words: list[TimedWord], is_partial: bool, parameters: StreamParameters) -> Json:
    """A segment of words whose times are known; of a partial the last word may still change."""
    stable_until = len(words) - _UNSTABLE_TAIL_WORDS if is_partial else len(words)
    items = [
        _scripted_item(
            ScriptedItem(
                content=word.content,
                stable=number < stable_until if parameters.stabilizes else None,
                start_ms=word.start_ms,
                end_ms=word.end_ms,
            ),
            0,
            0,
        )
        for number, word in enumerate(words)
    ]
    text = " ".join(word.content for word in words)
    return _event(result_id, text, is_partial, items, words[0].start_ms, words[-1].end_ms, parameters)


def scripted_event(result: ScriptedResult, result_id: str, parameters: StreamParameters) -> Json:
    end_ms = result.at_audio_ms if result.end_ms is None else result.end_ms
    start_ms = 0.0 if result.start_ms is None else result.start_ms
    if result.items is not None:
        items = [_scripted_item(item, start_ms, end_ms) for item in result.items]
    else:
        spoken = Utterance(result_id, result.text, start_ms, 0)
        stable = not result.is_partial if parameters.stabilizes else None
        tokens = _TOKEN.finditer(result.text)
        items = [_item(token[0], number, spoken, stable) for number, token in enumerate(tokens)]
    event = _event(result_id, result.text, result.is_partial, items, start_ms, end_ms, parameters)
    if not result.alternatives:
        event["Transcript"]["Results"][0]["Alternatives"] = []
    return event


def _first_words(text: str, words: int) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        if not _PUNCTUATION.fullmatch(token[0]):
            if words == 0:
                break
            words -= 1
        tokens.append(token)
    while tokens and _PUNCTUATION.fullmatch(tokens[-1][0]):
        tokens.pop()
    return tokens


def _item(content: str, number: int, spoken: Utterance, stable: bool | None) -> Json:
    start_ms = spoken.start_ms + number * spoken.ms_per_word
    is_punctuation = _PUNCTUATION.fullmatch(content) is not None
    item: Json = {
        "StartTime": _seconds(start_ms),
        "EndTime": _seconds(start_ms if is_punctuation else start_ms + spoken.ms_per_word),
        "Type": "punctuation" if is_punctuation else "pronunciation",
        "Content": content,
        "VocabularyFilterMatch": False,
    }
    if stable is not None:
        item["Stable"] = stable
    return item


def _scripted_item(item: ScriptedItem, start_ms: float, end_ms: float) -> Json:
    made: Json = {
        "StartTime": _seconds(start_ms if item.start_ms is None else item.start_ms),
        "EndTime": _seconds(end_ms if item.end_ms is None else item.end_ms),
        "Type": item.type,
        "Content": item.content,
        "VocabularyFilterMatch": False,
    }
    if item.stable is not None:
        made["Stable"] = item.stable
    return made


def _event(
    result_id: str,
    text: str,
    is_partial: bool,
    items: list[Json],
    start_ms: float,
    end_ms: float,
    parameters: StreamParameters,
) -> Json:
    result: Json = {
        "ResultId": result_id,
        "StartTime": _seconds(start_ms),
        "EndTime": _seconds(end_ms),
        "IsPartial": is_partial,
        "Alternatives": [{"Transcript": text, "Items": items}],
        "ChannelId": "ch_0",
    }
    if parameters.language_identified:
        result["LanguageCode"] = parameters.language_code
        result["LanguageIdentification"] = [{"LanguageCode": parameters.language_code, "Score": 0.98}]
    return {"Transcript": {"Results": [result]}}


def _seconds(milliseconds: float) -> float:
    return round(milliseconds / 1000, 3)
