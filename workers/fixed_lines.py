"""What a reply says in its own words when the model's cannot be used, by language."""

from typing import Final

from workers.languages import primary_tag

FILTERED: Final = {
    "en": "I would rather not answer that. Let us talk about something else.",
    "zh": "这个问题我不方便回答，我们聊点别的吧。",
}
TOO_LONG: Final = {"en": "Shall I go on?", "zh": "要我继续说吗？"}


def fixed_line(lines: dict[str, str], language: str) -> str:
    """The line for a language tag such as `zh-CN`, in English where there is none."""
    return lines.get(primary_tag(language), lines["en"])
