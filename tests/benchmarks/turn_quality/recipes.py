"""What is said in the clips, in English and Chinese, and the clips made of it."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.turn_quality import sounds
from tests.benchmarks.turn_quality.clips import Clip, Kind, Language, Phrase, Span

LEAD_MS = 1_000
TAIL_MS = 5_000
Parts = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """`parts`: what is said, and pauses in milliseconds between. `is_heard`: the recogniser makes words of it."""

    kind: Kind
    parts: Parts
    level_dbfs: float = sounds.SPEECH_DBFS
    is_heard: bool = True


_FAINT_DBFS = -34.0
_DISTANT_DBFS = -46.0

ENGLISH: tuple[Recipe, ...] = (
    Recipe("answer", ("Yes please.",)),
    Recipe("answer", ("What will the weather be like in Paris tomorrow?",)),
    Recipe("answer", ("Please send the report to my office and call me when it is done.",)),
    Recipe("answer", ("My number is five five five one two three four.",)),
    Recipe("answer", ("I would like to book a table for", 900, "four people tomorrow evening.")),
    Recipe("answer", ("Can you tell me, um", 1_200, "how far the station is?")),
    Recipe("answer", ("I was thinking about going to Paris", 700, "but the hotels are expensive.")),
    Recipe("answer", ("Let me see", 1_500, "maybe the second one.")),
    Recipe("answer", ("My number is five five five", 800, "one two three four.")),
    Recipe("answer", ("I need a flight to London because", 2_000, "my sister is getting married.")),
    Recipe("answer", ("The printer does not work", 450, "since I moved it", 1_000, "to the other room.")),
    Recipe("answer", ("I am looking for a hotel with", 900, "a swimming pool.")),
    Recipe("answer", ("My address is forty two", 800, "Baker Street.")),
    Recipe("answer", ("Give me a second", 1_500, "my order is number nine.")),
    Recipe("answer", ("If the train is late", 900, "call me.")),
    Recipe("interruption", ("Stop.",)),
    Recipe("interruption", ("Wait, I have another question.",)),
    Recipe("interruption", ("No, that is not what I meant.",)),
    Recipe("interruption", ("Can we talk about something else?",)),
    Recipe("backchannel", ("Uh-huh.",)),
    Recipe("backchannel", ("Right.",)),
    Recipe("backchannel", ("Okay.",)),
    Recipe("backchannel", ("Yeah, I see.",)),
    Recipe("noise", ("Achoo!",), is_heard=False),
    Recipe("noise", ("Ahem.",), is_heard=False),
    Recipe("noise", ("Hahaha!",), is_heard=False),
    Recipe("background", ("They said on the news that it will rain.",), _FAINT_DBFS),
    Recipe("background", ("The train to the airport leaves at nine.",), _DISTANT_DBFS, is_heard=False),
    Recipe("aside", ("Honey, can you close the door please?",)),
    Recipe("aside", ("I will be there in a minute, mum.",)),
)
CHINESE: tuple[Recipe, ...] = (
    Recipe("answer", ("好的，谢谢。",)),
    Recipe("answer", ("明天巴黎的天气怎么样？",)),
    Recipe("answer", ("请把报告发到我的办公室，做完以后给我打电话。",)),
    Recipe("answer", ("我的号码是五五五一二三四。",)),
    Recipe("answer", ("我想订一张桌子，一共", 900, "四个人，明天晚上。")),
    Recipe("answer", ("你能不能告诉我，那个", 1_200, "车站有多远？")),
    Recipe("answer", ("我打算去巴黎", 700, "但是酒店太贵了。")),
    Recipe("answer", ("让我想想", 1_500, "就要第二个吧。")),
    Recipe("answer", ("我的号码是五五五", 800, "一二三四。")),
    Recipe("answer", ("我要买一张去伦敦的机票，因为", 2_000, "我妹妹要结婚了。")),
    Recipe("answer", ("打印机坏了", 450, "我把它搬走以后", 1_000, "就不能用了。")),
    Recipe("answer", ("我想找一家酒店，最好", 900, "有游泳池。")),
    Recipe("answer", ("我的地址是北京路", 800, "四十二号。")),
    Recipe("answer", ("稍等", 1_500, "我的订单号是九。")),
    Recipe("answer", ("要是火车晚点", 900, "给我打电话。")),
    Recipe("interruption", ("停。",)),
    Recipe("interruption", ("等一下，我还有一个问题。",)),
    Recipe("interruption", ("不对，我不是这个意思。",)),
    Recipe("interruption", ("我们换一个话题吧。",)),
    Recipe("backchannel", ("嗯。",)),
    Recipe("backchannel", ("对。",)),
    Recipe("backchannel", ("好的。",)),
    Recipe("backchannel", ("是啊，明白了。",)),
    Recipe("noise", ("阿嚏！",), is_heard=False),
    Recipe("noise", ("哼哼。",), is_heard=False),
    Recipe("noise", ("哈哈哈！",), is_heard=False),
    Recipe("background", ("新闻里说今天会下雨。",), _FAINT_DBFS),
    Recipe("background", ("去机场的火车九点开。",), _DISTANT_DBFS, is_heard=False),
    Recipe("aside", ("妈妈，你帮我关一下门。",)),
    Recipe("aside", ("我马上就过来，你先吃。",)),
)
RECIPES: dict[Language, tuple[Recipe, ...]] = {"en": ENGLISH, "zh": CHINESE}


def make_clips() -> tuple[Clip, ...]:
    """Every recipe in two voices, and each noise twice a language. espeak differs by a few milliseconds each time."""
    return tuple(clip for language in RECIPES for clip in _clips_of(language))


def _clips_of(language: Language) -> Iterator[Clip]:
    for number, voice in enumerate(sounds.voices(language)):
        for place, recipe in enumerate(RECIPES[language]):
            yield make_clip(f"{language}-{place:02}-{number}", language, voice, recipe)
        for noise in sounds.NOISES:
            yield _noise_clip(f"{language}-{noise}-{number}", language, noise)


def make_clip(name: str, language: Language, voice: str, recipe: Recipe) -> Clip:
    pieces, phrases = [np.zeros(sounds.samples(LEAD_MS))], []
    at_ms = float(LEAD_MS)
    for part in recipe.parts:
        if isinstance(part, int):
            pieces.append(np.zeros(sounds.samples(part)))
            at_ms += part
            continue
        sound, words = sounds.speak(part, language, voice, recipe.level_dbfs)
        span = Span(at_ms, at_ms + sounds.milliseconds(len(sound)))
        heard = tuple((at_ms + end_ms, text) for end_ms, text in words) if recipe.is_heard else ()
        phrases.append(Phrase(part, span, heard))
        pieces.append(sound)
        at_ms = span.end_ms
    return Clip(name, language, recipe.kind, _in_room(name, pieces), tuple(phrases))


def _noise_clip(name: str, language: Language, noise: str) -> Clip:
    sound = sounds.NOISES[noise](_random(name))
    span = Span(LEAD_MS, LEAD_MS + sounds.milliseconds(len(sound)))
    return Clip(
        name, language, "noise", _in_room(name, [np.zeros(sounds.samples(LEAD_MS)), sound]), (Phrase("", span),)
    )


def _in_room(name: str, pieces: list[sounds.Floats]) -> bytes:
    sound = np.concatenate([*pieces, np.zeros(sounds.samples(TAIL_MS))])
    return sounds.to_pcm(sound + sounds.room(_random(name), sounds.milliseconds(len(sound)))[: len(sound)])


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
