"""What a session's language model calls use: estimated from the request while they run, then told by the worker."""

from dataclasses import dataclass
from decimal import Decimal

from sessions.live.usage import FREE, Providers, PurposeName, Usage, thinking_cost
from workers.language_model.contract import FramePart, TextPart, ToolResultPart
from workers.language_model.model_table import picture_tokens
from workers.language_model.token_estimate import estimated_tokens
from workers.prices import PriceTable
from workers.streams.messages import OutputEntry, ReplyRequest, ReplyWritten, SentenceWritten, TaskBeat, WorkFailed

COST_WAIT_MS = 3_000
"""A reply that was called off tells its cost within this, or nobody will."""
FORGOTTEN_MS = 60_000


@dataclass(slots=True)
class _Call:
    request: ReplyRequest | None
    model_id: str
    asked_ms: float
    has_run: bool = False
    has_failed: bool = False
    written_characters: int = 0
    called_off_ms: float | None = None
    settled_ms: float | None = None
    expected_tokens: int = 0
    expected_usd: Decimal = FREE
    written: ReplyWritten | None = None


class ThinkingMeter:
    """By the id of each attempt. `asked`, `called_off` and `take` remember only; the counting is done by `collect`."""

    def __init__(self, prices: PriceTable, providers: Providers) -> None:
        self._prices = prices
        self._provider = providers.language_model
        self._calls: dict[str, _Call] = {}

    def asked(self, request: ReplyRequest, now_ms: float) -> None:
        self._calls[request.address.reply_id] = _Call(request, request.options.model, now_ms)

    def called_off(self, work_id: str, now_ms: float) -> None:
        call = self._calls.get(work_id)
        if call is not None and call.called_off_ms is None:
            call.called_off_ms = now_ms

    def take(self, entry: OutputEntry) -> None:
        call = self._calls.get(entry.reply_id)
        if call is None:
            return
        match entry:
            case ReplyWritten():
                call.written, call.settled_ms = entry, None
            case SentenceWritten():
                call.has_run = True
                call.written_characters += len(entry.text)
            case TaskBeat(sentence_index=-1):
                call.has_run = True
            case WorkFailed(stage="reply"):
                call.has_failed = True

    def running_usd(self) -> Decimal:
        """What the calls that run will cost at least: their requests are paid as soon as they are read."""
        running = [call for call in self._calls.values() if call.settled_ms is None and call.has_run]
        for call in running:
            self._expect(call)
        return sum((call.expected_usd for call in running), FREE)

    def collect(self, now_ms: float, at_ms: int, started: set[str], *, is_last: bool = False) -> list[Usage]:
        """Those that can be said, each once; when a worker tells later what was estimated, it is said again.

        `started`: the replies that the client was told of; others wait until they are, or are called off. With `is_last`
        nothing more will be heard of any.
        """
        found = []
        for work_id, call in list(self._calls.items()):
            is_real = reply_of(work_id) in started or call.called_off_ms is not None or is_last
            if call.settled_ms is None and is_real and self._is_over(call, now_ms, is_last):
                call.settled_ms = now_ms
                self._expect(call)
                usage = self._usage(work_id, call, at_ms, started)
                found += [usage] if usage is not None else []
                call.request = None
            elif call.settled_ms is not None and now_ms - call.settled_ms > FORGOTTEN_MS:
                del self._calls[work_id]
        return found

    @staticmethod
    def _is_over(call: _Call, now_ms: float, is_last: bool) -> bool:
        is_lost = call.called_off_ms is not None and now_ms - call.called_off_ms >= COST_WAIT_MS
        return is_last or call.written is not None or call.has_failed or is_lost

    def _expect(self, call: _Call) -> None:
        if call.request is not None and not call.expected_tokens:
            call.expected_tokens = _input_tokens(call.request)
            call.expected_usd = thinking_cost(self._prices, self._provider, call.model_id, call.expected_tokens, 0)

    def _usage(self, work_id: str, call: _Call, at_ms: int, started: set[str]) -> Usage | None:
        """None when the model was never asked, or failed before its first word, which costs nothing."""
        written = call.written
        if written is None:
            if not call.has_run or (call.has_failed and not call.written_characters):
                return None
            written = ReplyWritten("", 0, work_id, 0, "", call.expected_tokens, _tokens(call), is_usage_estimated=True)
        model_id = written.model_id or call.model_id
        tokens = written.input_tokens, written.output_tokens, written.cached_input_tokens
        if not any(tokens):
            return None
        cost = thinking_cost(self._prices, self._provider, model_id, *tokens)
        expected = call.expected_usd + thinking_cost(self._prices, self._provider, call.model_id, 0, _tokens(call))
        return Usage(
            usage_id=f"{work_id}:thinking",
            at_ms=at_ms,
            service="language_model",
            provider=self._provider,
            model=model_id,
            reply_id=reply_of(work_id),
            purpose=_purpose(work_id, call, started),
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            cached_input_tokens=tokens[2],
            picture_tokens=written.picture_tokens,
            is_estimated=written.is_usage_estimated,
            estimated_usd=expected,
            cost_usd=cost,
            price_version=self._prices.version,
        )


def reply_of(work_id: str) -> str:
    """The reply that an attempt belongs to."""
    return work_id.partition(".")[0]


def _purpose(work_id: str, call: _Call, started: set[str]) -> PurposeName:
    if reply_of(work_id) not in started:
        return "speculation"
    return "retry" if call.has_failed else "talk"


def _tokens(call: _Call) -> int:
    return estimated_tokens("x" * call.written_characters) if call.written_characters else 0


def _input_tokens(request: ReplyRequest) -> int:
    """By the length of its texts; tools are few words beside a history."""
    parts = [part for message in request.history for part in message.parts]
    texts = [part.text if isinstance(part, TextPart) else "" for part in parts]
    texts += [part.content for part in parts if isinstance(part, ToolResultPart)]
    texts += [tool.description + str(tool.parameters) for tool in request.tools]
    pictures = len(request.user_frames) + sum(isinstance(part, FramePart) for part in parts)
    return estimated_tokens(request.system + "".join(texts)) + pictures * picture_tokens(request.options.model, 0, 0)
