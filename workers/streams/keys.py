"""The names of everything that both sides keep in Redis, and how long each lives."""

TRANSCRIPTS_STREAM = "nova:transcripts"
INTERRUPTS_STREAM = "nova:interrupts"
CONTROL_STREAM = "nova:control"
RECORDS_STREAM = "nova:records"

REQUEST_LIFE_SECONDS = 120
REMEMBERED_SECONDS = 120
RAW_FRAME_LIFE_SECONDS = 30
KEPT_FRAME_LIFE_SECONDS = 900
KEPT_TALK_LIFE_SECONDS = 90
OUTPUT_STREAM_LIFE_SECONDS = 120
"""Its web process renews it; after that one's death another may still read the replies it took up."""
TASK_EXPIRES_SECONDS = 10
PUBLISHED_AT_HEADER = "published_at"
"""Of each task: seconds since 1970."""
FRAME_LIMIT_SECONDS = 3
PREPARED_REPLY_SECONDS = 10.0
PREPARED_SPEECH_SECONDS = 45.0
BEAT_INTERVAL_SECONDS = 0.5
SILENT_TASK_SECONDS = 2.0

# Entries kept per stream; trimming is approximate. An output entry is at most 32 KiB of speech.
WORDS_STREAM_ENTRIES = 20_000
OUTPUT_STREAM_ENTRIES = 5_000
CONTROL_STREAM_ENTRIES = 10_000
RECORDS_STREAM_ENTRIES = 100_000


def output_stream(web_id: str) -> str:
    return f"nova:output:{web_id}"


def reply_request(reply_id: str) -> str:
    """A list of one: the task may be running already and wait for it."""
    return f"nova:reply:{reply_id}"


def speech_request(reply_id: str, sentence_index: int) -> str:
    """A list of one, as for replies; an empty body says that there is nothing to be spoken."""
    return f"nova:speech:{reply_id}:{sentence_index}"


def frame_request(frame_id: str) -> str:
    return f"nova:frame:{frame_id}:request"


def raw_frame(frame_id: str) -> str:
    return f"nova:frame:{frame_id}:raw"


def kept_frame(frame_id: str) -> str:
    return f"nova:frame:{frame_id}:kept"


def session_pictures(session_id: str, kind: str) -> str:
    """The ids of a session's kept pictures of one kind, scored by when each was last of use (seconds)."""
    return f"nova:session:{session_id}:pictures:{kind}"


def newest_pictures(session_id: str) -> str:
    """By source: the id of the newest kept frame and when it was captured."""
    return f"nova:session:{session_id}:newest_pictures"


def session_forgotten(session_id: str) -> str:
    """Set when a session's pictures were dropped, so that work still running keeps none."""
    return f"nova:session:{session_id}:forgotten"


def web_lease(web_id: str) -> str:
    return f"nova:web:{web_id}:lease"


def channel_generation(channel_name: str) -> str:
    """Rises with each socket that takes the channel; every write of its session carries it."""
    return f"nova:channel:{channel_name}:generation"


def session_seen(session_id: str) -> str:
    """Milliseconds (Redis time) at which a ping, an open socket or sound was last noticed."""
    return f"nova:session:{session_id}:seen"


def talk(session_id: str) -> tuple[str, str, str]:
    """What another web process needs to go on: the talk's state, its items, its newest events."""
    prefix = f"nova:session:{session_id}"
    return f"{prefix}:talk", f"{prefix}:items", f"{prefix}:events"


def single_loop_lease(loop_name: str) -> str:
    return f"nova:loop:{loop_name}:lease"


RECORDS_POSITION = "nova:records:position"
REFUSED_RECORDS_STREAM = "nova:records:refused"


def day_spending(day: str) -> str:
    """USD that were spent on a day, by owner and in all."""
    return f"nova:spending:{day}"


def speech_streams(scope: str) -> str:
    """Open streams of speech recognition, scored by when their lease ends (milliseconds, Redis time)."""
    return f"nova:speech_streams:{scope}"


def next_speech_stream(scope: str) -> str:
    """When the next one may be started (milliseconds, Redis time)."""
    return f"nova:speech_streams:{scope}:next"


def speech_places(engine: str, part: str) -> str:
    """The limiter's sets of an engine: calls that run, were started, wait."""
    return f"nova:polly:{{{engine}}}:{part}"


STANDING_ALERTS = "nova:alerts"
