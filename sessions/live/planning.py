"""What a reply is made from: configuration, history, the turn's words and pictures, put together into one plan."""

from dataclasses import dataclass, replace

from sessions.live.config import SessionConfig
from sessions.live.history import History, Remembered, items_for_model
from sessions.live.ids import new_id
from sessions.live.listening import AudioShape
from sessions.live.reply_plan import ReplyPlan
from sessions.live.transport import ReplyOptions
from sessions.live.watching.look import Look
from workers.language_model.contract import StoredMessage, TextPart
from workers.language_model.token_estimate import estimated_tokens
from workers.streams.messages import TranscriptEntry


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """`session_id` is empty until `start`; `generation` rises with every socket that takes the channel."""

    channel_name: str
    generation: int
    epoch: str
    session_id: str = ""


def make_plan(
    identity: SessionIdentity,
    config: SessionConfig,
    history: History,
    options: ReplyOptions,
    turn_id: str | None,
    words: TranscriptEntry | None,
    look: Look,
    prepared_id: str | None = None,
) -> ReplyPlan:
    """`words` are those of the turn to answer; without them the history's last words are answered.
    `prepared_id`: the reply whose task was published already and waits."""
    choice = options.tool_choice or config.tool_choice
    tools = choice.offered(config.tools if options.tools is None else options.tools)
    return ReplyPlan(
        session_id=identity.session_id,
        generation=identity.generation,
        reply_id=prepared_id or new_id("resp"),
        item_id=new_id("item"),
        system=_joined(options.instructions or config.instructions, history.instructions()),
        history=_history_for(config, history, options, turn_id, look.remembered),
        options=replace(
            config.model,
            max_tokens=options.max_output_tokens or config.model.max_tokens,
            must_use_tool=choice.is_must and bool(tools),
        ),
        voice=config.voice,
        output_rate_hz=config.output_rate_hz,
        is_audio=(options.output_modality or config.output_modality) == "audio",
        words=words,
        transcript_id=words.transcript_id if words is not None else None,
        user_frames=look.parts,
        clock_started_at_ms=look.clock_started_at_ms,
        in_view=look.in_view,
        pictures_told=look.in_short,
        tools=tools,
        metadata=options.metadata,
        fixed_text=config.not_heard if _is_about_nothing(history, options, turn_id) else None,
        is_out_of_band=options.is_out_of_band,
        can_be_interrupted=config.turns.interrupts_reply,
        filler_ms=config.filler_ms,
        is_prepared=prepared_id is not None,
    )


def text_tokens_of(plan: ReplyPlan) -> int:
    """About how many tokens of a request are words."""
    parts = (part for message in plan.history for part in message.parts)
    texts = [plan.system, *(part.text for part in parts if isinstance(part, TextPart))]
    texts += [tool.description + str(tool.parameters) for tool in plan.tools]
    return estimated_tokens(" ".join(texts)) + estimated_tokens(plan.words.text if plan.words is not None else "")


def audio_shape(config: SessionConfig) -> AudioShape:
    return AudioShape(config.input_rate_hz, config.input_format, config.listening_language)


def _is_about_nothing(history: History, options: ReplyOptions, turn_id: str | None) -> bool:
    """Push to talk without words: the model would answer the question before once more."""
    has_own_words = options.instructions is not None or options.input_items is not None
    return turn_id is None and not has_own_words and not options.is_out_of_band and history.is_nothing_to_answer


def _history_for(
    config: SessionConfig, history: History, options: ReplyOptions, turn_id: str | None, remembered: Remembered
) -> tuple[StoredMessage, ...]:
    """The words of the turn come by the transcripts stream, so its item is left out here."""
    if options.input_items is not None:
        return items_for_model(options.input_items)
    if not config.is_memory_enabled:
        return history.for_model(1, (), remembered) if turn_id is None else ()
    return history.for_model(config.max_history_messages, (turn_id,) if turn_id is not None else (), remembered)


def _joined(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
