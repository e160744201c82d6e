"""Tells the web process of a picture whose decoding killed its child process, or had to be killed for its time."""

import redis
import structlog

from workers.errors import PictureRejectedError, StreamsUnavailableError
from workers.streams import keys
from workers.streams.codec import vision_request_from_json
from workers.streams.messages import WorkFailed
from workers.streams.output_writer import OutputWriter

logger = structlog.get_logger(__name__)


class LostFrames:
    """In the vision worker's first process, which outlives its children and decodes nothing."""

    def __init__(self, client: "redis.Redis", writer: OutputWriter) -> None:
        self._client = client
        self._writer = writer

    def report(self, frame_id: str, cause: str) -> None:
        """A report that cannot be written is logged: the web process gives up waiting by itself."""
        logger.warning("frame_lost", frame_id=frame_id, cause=cause)
        try:
            self._report(frame_id)
        except (redis.RedisError, StreamsUnavailableError) as error:
            logger.warning("frame_loss_unreported", frame_id=frame_id, cause=type(error).__name__)

    def _report(self, frame_id: str) -> None:
        body = self._client.get(keys.frame_request(frame_id))
        if not isinstance(body, bytes):
            return
        address = vision_request_from_json(body).address
        fault = PictureRejectedError("the picture could not be decoded in time and was given up")
        ids = (address.session_id, address.generation, address.reply_id)
        self._writer.write(address.output_stream, WorkFailed(*ids, "frame", fault.code, fault.retriable, fault.text))
        self._client.delete(keys.raw_frame(frame_id), keys.frame_request(frame_id))
