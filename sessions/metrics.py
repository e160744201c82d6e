"""The figures of a web process, as Prometheus names; imports prometheus_client only. docs/metrics.md lists them all."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from workers.metric_labels import DELAY_SECONDS, QUICK_SECONDS, Bounded, bounded, error_code

STAGES: Final = (
    "end_of_turn",
    "reply_asked",
    "model_first_token",
    "first_sentence",
    "speech_asked",
    "voice_first_byte",
    "first_audio",
    "silence",
)
"""Those of `sessions.live.reply_delays`, and `silence`: from the user's last sound to the agent's first."""
REPLY_ENDS: Final = ("completed", "interrupted", "failed", "incomplete")
TURN_ENDS: Final = "commit final final_in_voice may_go_on punctuation silence stalled too_long unfinished".split()
TURN_DROPS: Final = ("backchannel", "cleared", "closed", "empty_commit", "no_words", "protected")
INTERRUPTIONS: Final = ("voice", "words", "turn")
FALSE_INTERRUPTIONS: Final = ("backchannel", "no_words", "short", "turn_dropped")
"""Other reasons to go on say nothing about the sound: the reply was gone, or became protected."""
SPECULATIONS: Final = ("begun", "kept", "dropped")
SESSION_STATES: Final = ("waiting", "listening", "thinking", "speaking")
CLOSINGS: Final = ("client", "superseded", "ended", "key_ended", "restart")
CUTS: Final = ("too_fast", "audio_overrun", "too_slow", "deaf")
STREAM_CAUSES: Final = ("first", "lost", "rotated", "idle")
FRAME_RESULTS: Final = ("kept", "skipped", "failed")
SERVICES: Final = ("speech_to_text", "language_model", "text_to_speech")
RESUMES: Final = ("whole", "bad_resume", "unknown_epoch", "trimmed", "ahead")
VOICE_ENGINES: Final = ("energy", "silero")
QUEUES: Final = ("reply", "speech", "vision")

# --- turns and replies ------------------------------------------------------------------------------------------------

TURN_DELAY_SECONDS: Final = Bounded(
    Histogram("nova_turn_delay_seconds", "Delays of a turn by stage", ["stage"], buckets=DELAY_SECONDS), STAGES
)
TURNS: Final = Bounded(Counter("nova_turns_total", "Turns of users, by what ended them", ["end"]), TURN_ENDS)
TURNS_DROPPED: Final = Bounded(
    Counter("nova_turns_dropped_total", "Sounds that turned out to be no turn", ["reason"]), TURN_DROPS
)
REPLIES: Final = Bounded(Counter("nova_replies_total", "Replies that have ended", ["status"]), REPLY_ENDS)
REPLY_FAILURES: Final = Counter("nova_reply_failures_total", "Failed replies by the error's code", ["code"])
INTERRUPTIONS_TOTAL: Final = Bounded(
    Counter("nova_interruptions_total", "Replies cut off by the user", ["by"]), INTERRUPTIONS
)
HOLDS: Final = Counter("nova_holds_total", "Replies stopped because a sound may have been an interruption")
FALSE_INTERRUPTIONS_TOTAL: Final = Bounded(
    Counter("nova_false_interruptions_total", "Held replies that went on: it was no interruption", ["reason"]),
    FALSE_INTERRUPTIONS,
)
SPECULATIONS_TOTAL: Final = Bounded(
    Counter("nova_speculations_total", "Replies begun before the turn had ended", ["outcome"]), SPECULATIONS
)

# --- sessions ---------------------------------------------------------------------------------------------------------

SESSIONS: Final = Gauge("nova_sessions", "Open sessions of this process", ["state"])
SESSIONS_OPENED: Final = Counter("nova_sessions_opened_total", "Sockets that were let in")
SESSIONS_CLOSED: Final = Bounded(
    Counter("nova_sessions_closed_total", "Sessions closed; superseded: another socket took the channel", ["cause"]),
    CLOSINGS,
)
SESSIONS_RESUMED: Final = Bounded(
    Counter("nova_sessions_resumed_total", "Clients that came back for their conversation", ["outcome"]), RESUMES
)
CLIENTS_CUT: Final = Bounded(Counter("nova_clients_cut_total", "Clients cut off by a bound", ["bound"]), CUTS)
WEB_LOOP_LAG_SECONDS: Final = Histogram(
    "nova_web_loop_lag_seconds", "How late the event loop wakes: every session waits so", buckets=QUICK_SECONDS
)
VOICE_ENGINE: Final = Gauge("nova_voice_activity_engine", "1 for what tells voice from noise here", ["engine"])
VOICE_ENGINE_FELL_BACK: Final = Gauge(
    "nova_voice_activity_fell_back", "1 when another engine than the wanted one is in use"
)

# --- hearing and seeing -----------------------------------------------------------------------------------------------

SPEECH_STREAMS: Final = Gauge("nova_speech_streams_open", "Open streams of speech recognition")
SPEECH_STREAMS_OPENED: Final = Bounded(
    Counter("nova_speech_streams_opened_total", "Streams opened, by what became of the one before", ["cause"]),
    STREAM_CAUSES,
)
SPEECH_STREAM_ERRORS: Final = Counter("nova_speech_stream_errors_total", "Streams that broke", ["code"])
FRAMES: Final = Bounded(Counter("nova_frames_total", "Frames that workers have looked at", ["result"]), FRAME_RESULTS)

# --- work, records, money ---------------------------------------------------------------------------------------------

PUBLISH_SECONDS: Final = Histogram(
    "nova_publish_seconds", "Handing work to the workers, until Redis has it", buckets=QUICK_SECONDS
)
PUBLISH_FAILURES: Final = Counter("nova_publish_failures_total", "Work that could not be handed over")
QUEUE_LENGTH: Final = Gauge(
    "nova_queue_length", "Tasks that no worker has taken yet; the same in every process", ["queue"]
)
RECORDS_WAITING: Final = Gauge("nova_records_waiting", "Records here that Redis has not taken")
RECORDS_LAG_SECONDS: Final = Gauge(
    "nova_records_lag_seconds", "Age of the oldest record that is no row yet; the same in every process"
)
RECORDS_LOST: Final = Counter("nova_records_lost_total", "Records dropped because Redis was away for too long")
QUOTA_USED: Final = Gauge("nova_quota_used", "Calls and streams open now; the same in every process", ["quota"])
QUOTA_LIMIT: Final = Gauge("nova_quota_limit", "What the account allows", ["quota"])
COST_USD: Final = Bounded(Counter("nova_cost_usd_total", "Estimated cost in US dollars", ["service"]), SERVICES)

for _state in SESSION_STATES:
    SESSIONS.labels(_state).set(0)
for _queue in QUEUES:
    QUEUE_LENGTH.labels(_queue).set(0)


def observe_delays(delays_ms: dict[str, float]) -> None:
    """The delays of one turn's record; a stage that did not happen is missing there."""
    for stage, delay_ms in delays_ms.items():
        if stage in STAGES:
            TURN_DELAY_SECONDS.of(stage).observe(delay_ms / 1_000)
    if "end_of_turn" in delays_ms and "first_audio" in delays_ms:
        silence_ms = delays_ms["end_of_turn"] + delays_ms["first_audio"]
        TURN_DELAY_SECONDS.of("silence").observe(silence_ms / 1_000)


def count_failure(code: str) -> None:
    REPLY_FAILURES.labels(error_code(code)).inc()


def count_stream_error(code: str) -> None:
    SPEECH_STREAM_ERRORS.labels(error_code(code)).inc()


def count_resume(outcome: str) -> None:
    """`outcome`: one of RESUMES."""
    SESSIONS_RESUMED.of(outcome).inc()


def add_cost(service: str, usd: float) -> None:
    """`service`: one of SERVICES. What has become cheaper than was thought stays in the records: counters only rise."""
    if usd > 0:
        COST_USD.of(service).inc(usd)


def show_sessions(states: list[str]) -> None:
    """The state of each open session."""
    for state in SESSION_STATES:
        SESSIONS.labels(state).set(states.count(state))


def show_voice_engine(in_use: str, wanted: str) -> None:
    for engine in VOICE_ENGINES:
        VOICE_ENGINE.labels(engine).set(engine == in_use)
    VOICE_ENGINE_FELL_BACK.set(bounded(in_use, VOICE_ENGINES) != wanted)
