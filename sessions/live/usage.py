"""What one call of a service, or one stream, has used and cost; as values and as they travel to the rows."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from workers.prices import PriceTable

ServiceName = Literal["speech_to_text", "language_model", "text_to_speech"]
PurposeName = Literal["talk", "speculation", "retry"]

AWS = "aws"
LOCAL = "local"
FREE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Providers:
    """Who hears, thinks and speaks: `aws`, `local`, or the dotted path of another; only `aws` has a price."""

    speech_to_text: str
    language_model: str
    text_to_speech: str


@dataclass(frozen=True, slots=True)
class Usage:
    """`usage_id` names the call or stream: a later Usage of the same name takes this one's place.

    `seconds` of sound given, `billed_seconds` of it paid. Cached tokens are counted beside the input tokens,
    picture tokens are part of them. `estimated_usd`: what was thought before the service said.
    """

    usage_id: str
    at_ms: int
    service: ServiceName
    provider: str
    model: str
    reply_id: str = ""
    purpose: PurposeName = "talk"
    seconds: float = 0.0
    billed_seconds: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    picture_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    word_mark_characters: int = 0
    is_estimated: bool = False
    estimated_usd: Decimal = FREE
    cost_usd: Decimal = FREE
    price_version: str = ""

    def to_record(self) -> dict[str, Any]:
        """Without what is nothing."""
        fields = {name: value for name, value in asdict(self).items() if value}
        fields["at"] = fields.pop("at_ms", 0) / 1_000
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()}


def hearing_cost(prices: PriceTable, provider: str, billed_seconds: int) -> Decimal:
    return prices.speech_to_text.cost_usd(billed_seconds) if provider == AWS else FREE


def thinking_cost(
    prices: PriceTable, provider: str, model_id: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0
) -> Decimal:
    if provider != AWS:
        return FREE
    return prices.language_model(model_id).cost_usd(input_tokens, output_tokens, cached_tokens)


def speaking_cost(prices: PriceTable, provider: str, engine: str, characters: int) -> Decimal:
    return prices.voice(engine).cost_usd(characters) if provider == AWS else FREE
