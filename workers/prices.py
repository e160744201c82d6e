"""What the services cost: one versioned table with the source of each figure, and the arithmetic on it; no prices elsewhere."""

import functools
import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from workers.errors import ConfigurationError

Confidence = Literal["documented", "two sources", "one source", "unverified"]
MILLION: Final = 1_000_000
UNKNOWN: Final = "unknown"

_FAMILY = re.compile(r"(?:^|[./])amazon\.(nova(?:-2)?-[a-z]+)")


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    checked_on: date
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD for a million tokens. Cached tokens are counted beside the input, as Converse does."""

    family: str
    input_usd: Decimal
    output_usd: Decimal
    cached_input_usd: Decimal
    source: Source

    @property
    def is_known(self) -> bool:
        return self.family != UNKNOWN

    def cost_usd(self, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> Decimal:
        used = input_tokens * self.input_usd + output_tokens * self.output_usd
        return (used + cached_input_tokens * self.cached_input_usd) / MILLION


@dataclass(frozen=True, slots=True)
class CharacterPrice:
    """USD for a million characters."""

    engine: str
    usd: Decimal
    source: Source

    def cost_usd(self, characters: int) -> Decimal:
        return characters * self.usd / MILLION


@dataclass(frozen=True, slots=True)
class Tier:
    """`up_to_minutes` of a month cost this much each; None: all that is more."""

    up_to_minutes: int | None
    usd_per_minute: Decimal


@dataclass(frozen=True, slots=True)
class HearingPrice:
    tiers: tuple[Tier, ...]
    minimum_seconds: int
    source: Source

    def billed_seconds(self, seconds: float) -> int:
        """Of one stream; whole seconds, silence included. A stream that was given no sound costs nothing."""
        return max(self.minimum_seconds, ceil(seconds)) if seconds > 0 else 0

    def cost_usd(self, billed_seconds: int) -> Decimal:
        """Of one stream, at the first tier's price: what a month comes to is known only at its end."""
        return billed_seconds * self.tiers[0].usd_per_minute / 60

    def month_usd(self, minutes: Decimal) -> Decimal:
        total, below = Decimal(0), Decimal(0)
        for tier in self.tiers:
            upper = minutes if tier.up_to_minutes is None else min(minutes, Decimal(tier.up_to_minutes))
            total += max(Decimal(0), upper - below) * tier.usd_per_minute
            below = upper
        return total


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Before tax, free tier ignored."""

    version: str
    region: str
    speech_to_text: HearingPrice
    language_models: tuple[TokenPrice, ...]
    voices: tuple[CharacterPrice, ...]

    def language_model(self, model_id: str) -> TokenPrice:
        """By a Bedrock model id, inference profile or ARN; of one that is not in the table the dearest, as `unknown`."""
        match = _FAMILY.search(model_id)
        known = {price.family: price for price in self.language_models}
        if match is not None and match[1] in known:
            return known[match[1]]
        return replace(max(self.language_models, key=lambda price: price.output_usd), family=UNKNOWN)

    def voice(self, engine: str) -> CharacterPrice:
        """Of an engine that is not in the table the dearest, as `unknown`."""
        known = {price.engine: price for price in self.voices}
        return known.get(engine) or replace(max(self.voices, key=lambda price: price.usd), engine=UNKNOWN)


_CHECKED = date(2026, 11, 22)
_WORKSHEET = "public cost worksheet of this very scenario; "


def _tokens(
    family: str, input_usd: str, output_usd: str, cached_usd: str, source: str, trust: Confidence
) -> TokenPrice:
    amounts = Decimal(input_usd), Decimal(output_usd), Decimal(cached_usd)
    return TokenPrice(family, *amounts, Source(source, _CHECKED, trust))


def _characters(engine: str, usd: str) -> CharacterPrice:
    source = Source(_WORKSHEET + "a Polly tutorial and an older pricing article", _CHECKED, "two sources")
    return CharacterPrice(engine, Decimal(usd), source)


BUILT_IN: Final = PriceTable(
    version="2026-11-22",
    region="us-east-1",
    speech_to_text=HearingPrice(
        tiers=(
            Tier(250_000, Decimal("0.024")),
            Tier(1_000_000, Decimal("0.015")),
            Tier(5_000_000, Decimal("0.0102")),
            Tier(None, Decimal("0.0078")),
        ),
        minimum_seconds=15,
        source=Source(_WORKSHEET + "three repositories that quote Transcribe's price page", _CHECKED, "two sources"),
    ),
    language_models=(
        _tokens("nova-micro", "0.035", "0.14", "0.00875", "two model catalogues", "two sources"),
        _tokens("nova-lite", "0.06", "0.24", "0.015", "two model catalogues", "two sources"),
        _tokens(
            "nova-pro", "0.80", "3.20", "0.20", "AWS generative-AI atlas, cost page; two catalogues", "two sources"
        ),
        _tokens("nova-premier", "2.50", "12.50", "2.50", "two model catalogues; no price for caching", "two sources"),
        _tokens("nova-2-lite", "0.33", "2.75", "0.33", "one catalogue; price of regional profiles", "one source"),
        _tokens("nova-2-pro", "1.375", "11.00", "1.375", "a preview; no page with its price was found", "unverified"),
    ),
    voices=(
        _characters("standard", "4"),
        _characters("neural", "16"),
        _characters("generative", "30"),
        _characters("long-form", "100"),
    ),
)
_TABLE: Final = TypeAdapter(PriceTable)


@functools.cache
def price_table(path: str | None = None) -> PriceTable:
    """The built-in one, or that of a JSON file which `as_json` could have written. Raises ConfigurationError."""
    if path is None:
        return BUILT_IN
    try:
        return _TABLE.validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        reason = f"{error.error_count()} wrong fields" if isinstance(error, ValidationError) else "cannot be read"
        raise ConfigurationError(f"NOVA_PRICES={path}: no table of prices ({reason})") from error


def as_json(table: PriceTable) -> str:
    return _TABLE.dump_json(table, indent=2).decode()
