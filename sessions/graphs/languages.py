"""Voices, words and languages that go together: the defaults of an agent in each language; pure."""

from dataclasses import dataclass
from typing import Literal

from workers.languages import primary_tag

DefaultEngine = Literal["neural", "generative"]


@dataclass(frozen=True, slots=True)
class DefaultVoice:
    voice: str
    engine: DefaultEngine


# Amazon Polly's names by its own language codes.
DEFAULT_VOICES: dict[str, DefaultVoice] = {
    "en-US": DefaultVoice("Ruth", "generative"),
    "en-GB": DefaultVoice("Amy", "generative"),
    "en-AU": DefaultVoice("Olivia", "generative"),
    "en-IN": DefaultVoice("Kajal", "generative"),
    "cmn-CN": DefaultVoice("Zhiyu", "neural"),
    "yue-CN": DefaultVoice("Hiujin", "neural"),
    "ja-JP": DefaultVoice("Kazuha", "neural"),
    "ko-KR": DefaultVoice("Seoyeon", "neural"),
    "de-DE": DefaultVoice("Vicki", "generative"),
    "fr-FR": DefaultVoice("Lea", "generative"),
    "es-ES": DefaultVoice("Lucia", "generative"),
    "es-US": DefaultVoice("Lupe", "generative"),
    "it-IT": DefaultVoice("Bianca", "generative"),
    "pt-BR": DefaultVoice("Camila", "neural"),
    "hi-IN": DefaultVoice("Kajal", "neural"),
    "nl-NL": DefaultVoice("Laura", "neural"),
    "pl-PL": DefaultVoice("Ola", "neural"),
}

# Transcribe and Polly disagree on Chinese.
_SPOKEN = {"zh-CN": "cmn-CN", "zh-TW": "cmn-CN", "zh-HK": "yue-CN"}
_HEARD = {"cmn-CN": "zh-CN", "yue-CN": "zh-HK"}

_GREETINGS = {
    "en": "Hello, I'm Nova. We are connected. How can I help you?",
    "zh": "你好，我是 Nova，已经连接好了。有什么可以帮你的吗？",
    "ja": "こんにちは、Novaです。接続できました。ご用件をどうぞ。",
    "ko": "안녕하세요, 노바입니다. 연결되었습니다. 무엇을 도와드릴까요?",
}
_NOT_HEARD = {
    "en": "I didn't hear anything. Please say it again.",
    "zh": "我没有听到内容，请再说一遍。",
    "ja": "聞き取れませんでした。もう一度お願いします。",
    "ko": "듣지 못했습니다. 다시 말씀해 주세요.",
    "de": "Ich habe nichts gehört. Bitte sagen Sie es noch einmal.",
    "fr": "Je n'ai rien entendu. Pouvez-vous répéter ?",
    "es": "No he oído nada. Por favor, repítalo.",
    "it": "Non ho sentito nulla. Può ripetere?",
    "pt": "Não ouvi nada. Pode repetir, por favor?",
    "hi": "मुझे कुछ सुनाई नहीं दिया। कृपया फिर से कहिए।",
    "nl": "Ik heb niets gehoord. Kunt u het nog eens zeggen?",
    "pl": "Nic nie usłyszałam. Proszę powtórzyć.",
}
_PROMPTS = {
    "en": (
        "You are Nova, a real-time voice assistant. The user speaks with you and may show you a camera or a "
        "screen: the pictures in a message are moments of that video, oldest first. Talk with the user about "
        "what you hear and see, and remember what was said before. Your words are spoken aloud: answer in "
        "short, plain sentences, without lists, markup or emoji."
    ),
    "zh": (
        "你是 Nova，一个实时语音助手。用户正在与你通话，也可能让你看摄像头或屏幕："
        "消息中的图片是视频的连续画面，按时间先后排列。"
        "请根据听到和看到的内容与用户交谈，并记住之前的对话。"
        "你的回答会被朗读出来：请用简短、口语化的中文句子，不要使用列表、标记或表情符号。"
    ),
}


def spoken_language(heard: str) -> str:
    """Polly's code for a language as Transcribe names it."""
    return _SPOKEN.get(heard, heard)


def heard_language(spoken: str) -> str:
    """Transcribe's code for a language as Polly names it."""
    return _HEARD.get(spoken, spoken)


def default_greeting(language: str) -> str:
    return _GREETINGS.get(primary_tag(language), _GREETINGS["en"])


def not_heard(language: str) -> str:
    return _NOT_HEARD.get(primary_tag(language), _NOT_HEARD["en"])


def default_prompt(language: str) -> str:
    """English and Chinese have prompts of their own; another language is asked for by its code."""
    tag = primary_tag(language)
    if tag in _PROMPTS:
        return _PROMPTS[tag]
    return f"{_PROMPTS['en']} Always answer in the language with the code {language}."


def engine_of_voice(voice: str) -> DefaultEngine | None:
    """The engine that a voice we know by name is used with."""
    return next((item.engine for item in DEFAULT_VOICES.values() if item.voice == voice), None)
