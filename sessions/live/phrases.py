"""What the agent says by itself when an answer is late or cannot be made, in the session's language."""

from dataclasses import dataclass

from workers.languages import primary_tag


@dataclass(frozen=True, slots=True)
class Phrases:
    filler: str
    apology: str


_BY_LANGUAGE = {
    "de": Phrases("Einen Moment, bitte.", "Da ist leider etwas schiefgegangen. Bitte sagen Sie es noch einmal."),
    "en": Phrases("One moment, please.", "Sorry, something went wrong. Please say that again."),
    "es": Phrases("Un momento, por favor.", "Lo siento, algo ha fallado. Repítalo, por favor."),
    "fr": Phrases("Un instant, s'il vous plaît.", "Désolé, quelque chose s'est mal passé. Répétez, s'il vous plaît."),
    "hi": Phrases("एक क्षण, कृपया।", "माफ़ कीजिए, कुछ गड़बड़ हो गई। कृपया फिर से कहिए।"),
    "it": Phrases("Un momento, per favore.", "Mi dispiace, qualcosa è andato storto. Lo ripeta, per favore."),
    "ja": Phrases("少々お待ちください。", "申し訳ありません、うまくいきませんでした。もう一度お願いします。"),
    "ko": Phrases("잠시만 기다려 주세요.", "죄송합니다, 문제가 생겼습니다. 다시 말씀해 주세요."),
    "nl": Phrases("Een ogenblik, alstublieft.", "Sorry, er ging iets mis. Zeg het alstublieft nog eens."),
    "pl": Phrases("Chwileczkę, proszę.", "Przepraszam, coś poszło nie tak. Proszę powtórzyć."),
    "pt": Phrases("Um momento, por favor.", "Desculpe, algo correu mal. Repita, por favor."),
    "zh": Phrases("请稍等。", "抱歉，出了点问题，请再说一遍。"),
}


def phrases_for(language: str) -> Phrases | None:
    """`language` as Polly or Transcribe name it (en-US, cmn-CN). None where we know no phrase: a notice must do."""
    return _BY_LANGUAGE.get(primary_tag(language))
