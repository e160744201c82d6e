"""Which espeak voice stands in for a Polly voice; data only."""

from typing import Final, Literal

Gender = Literal["female", "male"]

POLLY_VOICES: Final[dict[str, tuple[str, Gender]]] = {
    **dict.fromkeys(("Ruth", "Joanna", "Kendra", "Kimberly", "Salli", "Ivy", "Danielle"), ("en-US", "female")),
    **dict.fromkeys(("Matthew", "Stephen", "Gregory", "Joey", "Justin", "Kevin", "Patrick"), ("en-US", "male")),
    **dict.fromkeys(("Amy", "Emma", "Olivia", "Nicole", "Niamh", "Ayanda"), ("en-GB", "female")),
    **dict.fromkeys(("Brian", "Arthur", "Russell", "Geraint"), ("en-GB", "male")),
    **dict.fromkeys(("Kajal", "Aditi", "Raveena"), ("en-IN", "female")),
    "Zhiyu": ("cmn-CN", "female"),
    "Hiujin": ("yue-CN", "female"),
    **dict.fromkeys(("Takumi",), ("ja-JP", "male")),
    **dict.fromkeys(("Mizuki", "Kazuha", "Tomoko"), ("ja-JP", "female")),
    **dict.fromkeys(("Seoyeon", "Jihye"), ("ko-KR", "female")),
    **dict.fromkeys(("Lea", "Celine", "Remi", "Isabelle", "Gabrielle"), ("fr-FR", "female")),
    **dict.fromkeys(("Mathieu", "Liam"), ("fr-FR", "male")),
    **dict.fromkeys(("Vicki", "Marlene", "Hannah"), ("de-DE", "female")),
    **dict.fromkeys(("Daniel", "Hans"), ("de-DE", "male")),
    **dict.fromkeys(("Lucia", "Conchita", "Lupe", "Mia", "Penelope"), ("es-ES", "female")),
    **dict.fromkeys(("Sergio", "Enrique", "Pedro", "Andres", "Miguel"), ("es-ES", "male")),
    **dict.fromkeys(("Bianca", "Carla"), ("it-IT", "female")),
    **dict.fromkeys(("Adriano", "Giorgio"), ("it-IT", "male")),
    **dict.fromkeys(("Camila", "Vitoria", "Ines"), ("pt-BR", "female")),
    **dict.fromkeys(("Thiago", "Ricardo", "Cristiano"), ("pt-BR", "male")),
}

_BY_LANGUAGE: Final = {
    "en": "en-us", "en-GB": "en-gb-x-rp", "en-AU": "en-gb-x-rp", "en-NZ": "en-gb-x-rp",
    "cmn": "cmn", "zh": "cmn", "yue": "yue", "zh-HK": "yue", "ja": "ja", "ko": "ko", "fr": "fr",
    "de": "de", "es": "es", "es-MX": "es-419", "es-US": "es-419", "it": "it", "pt": "pt-br", "pt-PT": "pt",
    "nl": "nl", "pl": "pl", "ru": "ru", "tr": "tr", "sv": "sv", "da": "da", "nb": "nb", "fi": "fi",
    "hi": "hi", "ar": "ar", "vi": "vi", "ca": "ca", "cs": "cs", "ro": "ro", "cy": "cy", "is": "is",
}  # fmt: skip
_VARIANT: Final[dict[Gender, str]] = {"female": "+f3", "male": ""}


def espeak_voice(voice: str, language: str) -> str | None:
    """espeak's name of the voice; None when espeak has no voice for the language.

    The language decides the accent when it and the named voice disagree; an unknown voice name is female.
    """
    own_language, gender = POLLY_VOICES.get(voice, ("", "female"))
    wanted = language or own_language or "en-US"
    if own_language.partition("-")[0] == wanted.partition("-")[0]:
        wanted = own_language
    found = _BY_LANGUAGE.get(wanted) or _BY_LANGUAGE.get(wanted.partition("-")[0])
    return found and found + _VARIANT[gender]
