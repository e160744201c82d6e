"""What words alone tell, in English and Chinese: unfinished, a sentence's end, a backchannel, the same as others."""

import functools
import re
import unicodedata
from collections.abc import Iterable

_OPEN_MARKS = (",", "，", "、", ";", "；", ":", "：", "-", "—", "…", "...")
_ASKING_MARKS = ("?", "？", "!", "！")
_SENTENCE_MARKS = (".", "。", *_ASKING_MARKS)

_OPEN_WORDS = frozenset("and or but because if the a an to of my your our their um uh er erm i'm".split())
"""More follows these even when the recogniser has put a full stop behind them, as it does behind every final."""
_OPEN_WORDS_WITHOUT_MARK = _OPEN_WORDS | frozenset(
    "so well actually when while is are was were in on at with for from by than which who i he she we they".split()
)
_OPEN_ENDINGS_WITH_MARK = frozenset("for from with than which when while so who".split())
"""Sentences do end with these, but seldom: the full stop of a final is no proof."""
ENDING_CHARACTERS = 60
"""As much as the patterns of endings look at: they would try a long text from each of its places."""
_THINKING = re.compile(
    r"(?:^| )(?:let me (?:see|think|check|look)|let's see|hold on|hang on|one (?:moment|second)|"
    r"(?:give me|just) a (?:moment|second)|how (?:do|shall|should) i (?:say|put) (?:this|that|it)|what was it)$|"
    r"(?:让我|讓我|我)(?:想想|看看|想一下|看一下|想一想|看一看)$|怎么说呢$|怎麼說呢$|等一下$|等等$|稍等$"
)
"""The speaker says that more is to come."""
_DICTATED = re.compile(
    r"(?:(?:^| )(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|dash|dot|\d+)){3,}$|"
    r"(?:[零〇一二三四五六七八九幺两兩] ?){3,}$|\d{3,}$"
)
"""Three figures or more one by one: a number that is read out is read in groups."""
_DOUBTFUL_CHINESE = tuple(
    "以后 以後 之后 之後 以前 之前 一共 总共 總共 大概 大约 大約 可能 最好 应该 應該 需要 希望 打算 为了 為了 对于 對於 "
    "包括 除非".split()
)
_CONDITIONS = frozenset("if when whenever because since although though unless once until".split())
_CHINESE_CONDITIONS = tuple("如果 要是 假如 因为 因為 虽然 雖然 既然 只要 除非 当 當 等到".split())
_CONSEQUENCES = (",", "，", " then ", "就", "那", "所以")
_SENTENCE_BORDER = re.compile(r"[.。?？!！]")
_OPEN_CHINESE = tuple(
    "因为 因為 然后 然後 就是 嗯 呃 那个 那個 这个 這個 和 跟 但是 可是 不过 不過 如果 要是 假如 所以 而且 并且 並且 或者 "
    "还有 還有 比如 例如 虽然 雖然 除了 关于 關於 以及 还是说 还是說 的时候 的時候 我想 我觉得 我覺得 的话 的話".split()
)
_CLOSED_CHINESE = tuple("温和 暖和 缓和 柔和 平和 饱和 总和 共和 谦和 随和".split())
"""Words that end like one of the above without being unfinished."""

BACKCHANNELS = (
    "mm|mhm|mm hm|mm hmm|mmhm|mmhmm|hm|hmm|uh huh|uhhuh|aha|ah|oh|huh|yeah|yep|yup|yes|right|all right|alright|ok|okay|"
    "i see|sure|got it|gotcha|of course|exactly|wow|cool|nice|great|good|interesting|true|really|"
    "嗯|嗯哼|哼|对|對|对啊|對啊|对呀|對呀|好|好的|好吧|好啊|是|是的|是啊|是吗|是嗎|哦|噢|喔|啊|呃|唔|欸|行|可以|没错|沒錯|"
    "明白|明白了|知道了|了解|原来如此|原來如此|这样啊|這樣啊"
).split("|")


def join(parts: Iterable[str]) -> str:
    """Segments side by side: a space between words, none between Chinese or Japanese characters."""
    joined = ""
    for part in (part.strip() for part in parts):
        if not part:
            continue
        is_tight = not joined or is_ideograph(joined[-1]) or is_ideograph(part[0])
        joined += part if is_tight else " " + part
    return joined


def is_ideograph(character: str) -> bool:
    return character > "\u2e7f"


def ends_sentence(text: str) -> bool:
    return text.rstrip().endswith(_SENTENCE_MARKS)


def asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "？"))


@functools.lru_cache(maxsize=512)
def sounds_unfinished(text: str) -> bool:
    """Whether more words are likely to follow, judged by the last mark or word."""
    stripped = text.rstrip()
    if stripped.endswith(_OPEN_MARKS):
        return True
    if not stripped or stripped.endswith(_ASKING_MARKS):
        return False
    bare = stripped.rstrip(".。")
    if _THINKING.search(_words(bare)[-ENDING_CHARACTERS:]):
        return True
    if is_ideograph(bare[-1:] or " "):
        return bare.endswith(_OPEN_CHINESE) and not bare.endswith(_CLOSED_CHINESE) and not is_backchannel(bare)
    last_word = (bare.rsplit(maxsplit=1) or [""])[-1].lower()
    return last_word in (_OPEN_WORDS if bare != stripped else _OPEN_WORDS_WITHOUT_MARK)


@functools.lru_cache(maxsize=512)
def may_go_on(text: str) -> bool:
    """Whether the words are whole but of a kind that often goes on: a number read out, an ending that seldom is one."""
    stripped = text.rstrip()
    if not stripped or stripped.endswith(_ASKING_MARKS):
        return False
    words = _words(stripped)
    if (
        _DICTATED.search(words[-ENDING_CHARACTERS:])
        or words.endswith(_DOUBTFUL_CHINESE)
        or _is_bare_condition(stripped)
    ):
        return True
    return words.rpartition(" ")[2] in _OPEN_ENDINGS_WITH_MARK


def _is_bare_condition(text: str) -> bool:
    """The condition or the reason of another clause, which has not come."""
    sentence = _SENTENCE_BORDER.split(text.rstrip(".。"))[-1].strip().lower()
    if any(mark in sentence for mark in _CONSEQUENCES):
        return False
    return sentence.partition(" ")[0] in _CONDITIONS or sentence.startswith(_CHINESE_CONDITIONS)


@functools.lru_cache(maxsize=512)
def may_become_backchannel(text: str, extra: tuple[str, ...] = ()) -> bool:
    """Whether a partial is a backchannel, or one more word or sign may make it one: "yeah, I" on the way to "yeah, I see"."""
    if is_backchannel(text, extra):
        return True
    words = _words(text)
    last = words.rpartition(" ")[2] if not is_ideograph(words[-1:] or " ") else words[-1:]
    before = words[: len(words) - len(last)].strip()
    if not last or (before and not is_backchannel(before, extra)):
        return False
    return any(_words(phrase).startswith(last) for phrase in (*BACKCHANNELS, *extra))


@functools.lru_cache(maxsize=512)
def is_backchannel(text: str, extra: tuple[str, ...] = ()) -> bool:
    """Whether the whole utterance says no more than "I am listening"."""
    words = _words(text)
    return bool(words) and _backchannels(extra).fullmatch(words) is not None


@functools.lru_cache(maxsize=64)
def _backchannels(extra: tuple[str, ...]) -> re.Pattern[str]:
    phrases = sorted({_words(phrase) for phrase in (*BACKCHANNELS, *extra)} - {""}, key=len, reverse=True)
    latin = "|".join(re.escape(phrase) for phrase in phrases if not is_ideograph(phrase[0]))
    chinese = "|".join(re.escape(phrase) for phrase in phrases if is_ideograph(phrase[0]))
    # Atomic groups: "mm hm" is tried as one phrase and never again as two, or a long text would cost exponential time.
    return re.compile(rf"(?:(?>(?:{latin})(?= |$|[\u2e80-\uffff])|{chinese}) ?)++")


def _words(text: str) -> str:
    """Lower case, full-width forms made plain, one space for whatever is no letter or digit."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return " ".join("".join(sign if sign.isalnum() or sign == "'" else " " for sign in plain).split())


def letters_of(text: str) -> str:
    """What remains when case, spaces and punctuation are put aside."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


def same_words(one: str, other: str) -> bool:
    """Case, spaces and punctuation aside."""
    return one == other or letters_of(one) == letters_of(other)


def begins_alike(one: str, other: str) -> bool:
    """Whether the shorter of both is the beginning of the longer; an empty text begins like nothing."""
    letters, others = letters_of(one), letters_of(other)
    return bool(letters and others) and (letters.startswith(others) or others.startswith(letters))
