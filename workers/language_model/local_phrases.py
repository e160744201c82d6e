"""What the local responder listens for and what it says, in English and Chinese; data only."""

import re
from dataclasses import dataclass
from typing import Final


def _english(words: str) -> str:
    return rf"\b(?:{words})\b"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A fixed answer to whatever matches; the first match in the list below wins."""

    pattern: re.Pattern[str]
    english: str
    chinese: str


COUNT: Final = re.compile(_english("count") + "|数到|数数|从.{1,4}数")
STORY: Final = re.compile(_english("story|stories") + "|故事")
TIME: Final = re.compile(
    _english("what time|the time|time is it|what day|which day|the date|what date|today's date|day is it")
    + "|几点|什么时间|现在时间|几号|星期几|什么日期|今天日期|几月"
)
PICTURE: Final = re.compile(
    _english(
        "what do you see|what can you see|can you see|do you see|see me|look at|looking at|picture|image"
        "|photo|camera|screen|describe|what colou?rs?|in front of me"
    )
    + "|看到|看见|看得见|图片|照片|画面|摄像头|屏幕|颜色"
)

WHO: Final = Phrase(
    re.compile(
        _english("who are you|what are you|your name|are you (?:nova|real|human|a robot|a person)")
        + "|你是谁|你叫什么|你的名字|你是什么|你是诺娃吗|你是真人"
    ),
    "I am the local stand-in, a small program with a few rules. I am not Nova: the real model answers here "
    "when the system runs with Amazon Bedrock.",
    "我是本机的替身，一个只有几条规则的小程序，不是诺娃。系统接上亚马逊的服务以后，才由真正的模型来回答。",
)
PHRASES: Final[tuple[Phrase, ...]] = (
    WHO,
    Phrase(
        re.compile(_english("help|what can you do|what do you do|what can i ask") + "|你会什么|能做什么|帮助|帮帮我"),
        "I am only a stand-in. I can tell the time, work out a sum, describe the colours of a picture, "
        "count, tell a story, and say back what I understood.",
        "我只是一个替身。我会报时间，会做算术，能说出图片的颜色，会数数，会讲故事，也能把听到的话重复一遍。",
    ),
    Phrase(
        re.compile(_english("how are you|how do you do|how's it going") + "|你好吗|你怎么样|最近怎么样"),
        "I am fine, thank you, as fine as a stand-in can be. What can I do for you?",
        "我很好，谢谢。我只是一个替身，有什么可以帮你的吗？",
    ),
    Phrase(
        re.compile(_english("thanks|thank you") + "|谢谢|多谢"),
        "You are welcome.",
        "不客气。",
    ),
    Phrase(
        re.compile(_english("bye|goodbye|good night|see you") + "|再见|晚安|拜拜"),
        "Goodbye, and thank you for the talk.",
        "再见，谢谢你和我聊天。",
    ),
    Phrase(
        re.compile(
            _english("hello|hi|hey|good (?:morning|afternoon|evening)|greetings") + "|你好|您好|早上好|下午好|晚上好|嗨"
        ),
        "Hello, it is good to hear you. I am the local stand-in for Nova. What can I do for you?",
        "你好，很高兴听到你的声音。我是诺娃的本机替身，有什么可以帮你的吗？",
    ),
)

CITY_ZONES: Final = {
    "london": "Europe/London", "paris": "Europe/Paris", "berlin": "Europe/Berlin",
    "new york": "America/New_York", "seattle": "America/Los_Angeles", "los angeles": "America/Los_Angeles",
    "chicago": "America/Chicago", "tokyo": "Asia/Tokyo", "beijing": "Asia/Shanghai",
    "shanghai": "Asia/Shanghai", "china": "Asia/Shanghai", "singapore": "Asia/Singapore",
    "sydney": "Australia/Sydney", "delhi": "Asia/Kolkata", "mumbai": "Asia/Kolkata",
    "北京": "Asia/Shanghai", "上海": "Asia/Shanghai", "伦敦": "Europe/London", "巴黎": "Europe/Paris",
    "东京": "Asia/Tokyo", "纽约": "America/New_York", "新加坡": "Asia/Singapore", "悉尼": "Australia/Sydney",
}  # fmt: skip

WEEKDAYS_ZH: Final = {
    "Monday": "星期一", "Tuesday": "星期二", "Wednesday": "星期三", "Thursday": "星期四", "Friday": "星期五",
    "Saturday": "星期六", "Sunday": "星期日",
}  # fmt: skip

STORY_EN: Final = (
    "Once upon a time there was a small program that lived on a single machine. It had no cloud, no "
    "model, and only a handful of rules. Every morning it woke up, counted its rules, and waited for "
    "somebody to speak. One day a traveller came and asked it for the way to the sea. The program "
    "knew nothing of the sea, but it knew how to listen, so it said back every word that it heard. "
    "The traveller laughed, and spoke of mountains, of rivers, and of a harbour with white boats. The"
    " program said all of it back, slowly, word by word. In the evening the traveller noticed "
    "something strange. While the program had repeated the story, the road had become clear. Over the"
    " mountains, along the river, down to the harbour: the traveller had known the way all along. So "
    "they thanked each other, and the traveller went on. Years later a letter came, with a drop of "
    "salt water on it. It said that the sea was wide and bright, and that a good listener is worth "
    "more than a clever answer. The program kept the letter, counted its rules once more, and waited "
    "for the next traveller. And if nobody has switched it off, it is waiting there still."
)
STORY_ZH: Final = (
    "从前，有一个小程序，住在一台电脑里。它没有云，也没有大模型，只有几条规则。每天早上，它醒过来，数"
    "一数自己的规则，等着有人来说话。有一天，来了一位旅人，问它去大海怎么走。小程序不认识大海，可是它"
    "会听，于是把听到的每句话都说了一遍。旅人笑了，说起高山，说起河流，还有停着白船的港口。小程序慢慢"
    "地，一个字一个字地跟着说。到了傍晚，旅人发现了一件怪事。听着听着，路变得清楚了。翻过高山，沿着河"
    "流，走到港口：原来旅人早就知道该怎么走。他们互相道谢，旅人继续上路。过了很多年，来了一封信，信上"
    "有一滴海水。信里说，大海又宽又亮，又说，会听的朋友比聪明的回答更可贵。小程序收好了信，又数了一遍"
    "自己的规则，等着下一位旅人。如果没有人把它关掉，它现在还在等着呢。"
)
