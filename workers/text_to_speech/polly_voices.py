"""Which Polly voice speaks which languages on which engines, as in AWS's "Available voices"; data and pure questions."""

from dataclasses import dataclass
from typing import Final

from workers.text_to_speech.contract import VoiceOptions

_ENGINES: Final = {"s": "standard", "n": "neural", "l": "long-form", "g": "generative"}
# Polly names some languages otherwise than Transcribe does.
_POLLY_LANGUAGES: Final = {"zh-CN": "cmn-CN", "zh-TW": "cmn-CN", "zh-HK": "yue-CN", "ar-SA": "arb"}
_FALL_BACK: Final = {"generative": "neural", "long-form": "neural", "neural": "standard"}

# Engines by their first letter, then the voices that have exactly these, by language.
_TABLE: Final = {
    "ar-AE,arb": {"n": "Hala Zayd"},
    "arb": {"s": "Zeina"},
    "ca-ES": {"n": "Arlet"},
    "cmn-CN": {"ns": "Zhiyu"},
    "cs-CZ": {"n": "Jitka"},
    "cy-GB": {"s": "Gwyneth"},
    "da-DK": {"n": "Sofie", "s": "Naja Mads"},
    "de-AT": {"gn": "Hannah"},
    "de-CH": {"gn": "Sabrina"},
    "de-DE": {"g": "Lennart", "gn": "Daniel", "gns": "Vicki", "s": "Marlene Hans"},
    "en-AU": {"gn": "Olivia", "s": "Nicole Russell"},
    "en-GB": {"gns": "Amy Brian", "n": "Arthur", "ns": "Emma"},
    "en-GB-WLS": {"s": "Geraint"},
    "en-IE": {"gn": "Niamh"},
    "en-IN": {"s": "Raveena"},
    "en-IN,hi-IN": {"gn": "Kajal", "s": "Aditi"},
    "en-NZ": {"gn": "Aria"},
    "en-SG": {"gn": "Jasmine"},
    "en-US": {
        "g": "Tiffany",
        "gln": "Danielle Ruth",
        "gn": "Stephen",
        "gns": "Joanna Salli Matthew",
        "l": "Patrick",
        "ln": "Gregory",
        "ns": "Ivy Kendra Kimberly Joey Justin Kevin",
    },
    "en-ZA": {"gn": "Ayanda"},
    "es-ES": {"gn": "Sergio", "gns": "Lucia", "l": "Alba Raul", "s": "Conchita Enrique"},
    "es-MX": {"gn": "Andres", "gns": "Mia"},
    "es-US": {"gn": "Pedro", "gns": "Lupe", "s": "Penelope Miguel"},
    "fi-FI": {"n": "Suvi"},
    "fr-BE": {"gn": "Isabelle"},
    "fr-CA": {"gn": "Gabrielle Liam", "s": "Chantal"},
    "fr-FR": {"g": "Ambre Florian", "gn": "Remi", "gns": "Lea", "s": "Celine Mathieu"},
    "is-IS": {"s": "Dora Karl"},
    "it-IT": {"g": "Beatrice Lorenzo", "gns": "Bianca", "n": "Adriano", "s": "Carla Giorgio"},
    "ja-JP": {"n": "Kazuha Tomoko", "ns": "Takumi", "s": "Mizuki"},
    "ko-KR": {"gns": "Seoyeon", "n": "Jihye"},
    "nb-NO": {"n": "Ida", "s": "Liv"},
    "nl-BE": {"gn": "Lisa"},
    "nl-NL": {"gn": "Laura", "s": "Lotte Ruben"},
    "pl-PL": {"gn": "Ola", "s": "Ewa Maja Jacek Jan"},
    "pt-BR": {"gns": "Camila", "n": "Thiago", "ns": "Vitoria", "s": "Ricardo"},
    "pt-PT": {"ns": "Ines", "s": "Cristiano"},
    "ro-RO": {"s": "Carmen"},
    "ru-RU": {"s": "Tatyana Maxim"},
    "sv-SE": {"n": "Elin", "s": "Astrid"},
    "tr-TR": {"n": "Burcu", "s": "Filiz"},
    "yue-CN": {"n": "Hiujin"},
}


@dataclass(frozen=True, slots=True)
class PollyVoice:
    languages: tuple[str, ...]
    engines: frozenset[str]


VOICES: Final[dict[str, PollyVoice]] = {
    name: PollyVoice(tuple(languages.split(",")), frozenset(_ENGINES[letter] for letter in letters))
    for languages, by_engines in _TABLE.items()
    for letters, names in by_engines.items()
    for name in names.split()
}


def polly_language(language: str) -> str:
    return _POLLY_LANGUAGES.get(language, language)


def is_known(voice: str) -> bool:
    return voice in VOICES


def language_of_voice(voice: str, wanted: str) -> str | None:
    """`wanted` when the voice speaks it, else the voice's own; None for a voice that the table does not know."""
    known = VOICES.get(voice)
    if known is None:
        return None
    return wanted if wanted in known.languages else known.languages[0]


def mismatch(voice: VoiceOptions) -> tuple[str, str] | None:
    """What cannot be, as (property, reason); None for a voice that fits or that the table does not know."""
    known = VOICES.get(voice.voice)
    if known is None:
        return None
    if voice.engine not in known.engines:
        return (
            "engine",
            f"the voice {voice.voice} has no engine {voice.engine}, only {', '.join(sorted(known.engines))}",
        )
    language = polly_language(voice.language)
    if language not in known.languages:
        return "lang_code", f"the voice {voice.voice} speaks {', '.join(known.languages)}, not {language}"
    return None


def next_engine(voice: str, refused_engine: str) -> str | None:
    """What to try after a refusal: the best engine below that the voice is known to have, else simply the one below."""
    known = VOICES.get(voice)
    below = engine = _FALL_BACK.get(refused_engine)
    while engine is not None and known is not None and engine not in known.engines:
        engine = _FALL_BACK.get(engine)
    return engine or below
