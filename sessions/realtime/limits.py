"""The sizes, rates and close codes of the websocket door; numbers only, no behaviour."""

from enum import IntEnum

KIB = 1024
MESSAGE_LIMIT_BYTES = 1024 * KIB
SESSION_UPDATE_LIMIT_BYTES = 256 * KIB
CONTROL_LIMIT_BYTES = 16 * KIB
UNSENT_LIMIT_BYTES = 1024 * KIB
EARLY_FACTS_LIMIT = 1_024

AUDIO_BURST_SECONDS = 60.0
AUDIO_SPEED_LIMIT = 1.5
AUDIO_MESSAGE_MIN_SECONDS = 0.001
"""What the smallest audio message costs, so that a flood of single samples runs out too."""

INBOUND_BURST_BYTES = 16 * 1024 * KIB
INBOUND_BYTES_PER_SECOND = 4 * 1024 * KIB
INBOUND_BURST_MESSAGES = 500
INBOUND_MESSAGES_PER_SECOND = 100
BAD_MESSAGES_LIMIT = 50
BAD_MESSAGES_WINDOW_SECONDS = 10.0
REPEATED_ERROR_SECONDS = 1.0

OPEN_LIMIT_SECONDS = 4.0
"""Below daphne's own handshake limit of 5 s, so that the client hears a reason."""

MEDIA_EVENTS = frozenset({"input_audio_buffer.append", "input_video_buffer.append"})
LIMIT_BYTES_BY_TYPE = {
    "input_audio_buffer.append": MESSAGE_LIMIT_BYTES,
    "input_video_buffer.append": MESSAGE_LIMIT_BYTES,
    "conversation.item.create": MESSAGE_LIMIT_BYTES,
    "response.create": MESSAGE_LIMIT_BYTES,
    "session.update": SESSION_UPDATE_LIMIT_BYTES,
}
"""Every other event is held to CONTROL_LIMIT_BYTES."""


class CloseCode(IntEnum):
    NORMAL = 1000
    INTERNAL = 1011
    GOING_AWAY = 1012
    TRY_LATER = 1013
    BAD_MESSAGES = 4400
    UNAUTHENTICATED = 4401
    NOT_ALLOWED = 4403
    TOO_SLOW = 4408
    SUPERSEDED = 4409
    SESSION_ENDED = 4410
    TOO_FAST = 4429
