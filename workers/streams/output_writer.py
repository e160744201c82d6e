"""The workers' end of the output stream: one entry after another, in order, bounded by trimming."""

from typing import Any

import redis

from workers.errors import StreamsUnavailableError
from workers.streams import keys
from workers.streams.codec import output_fields
from workers.streams.messages import OutputEntry, TaskBeat


def add_output(commands: Any, stream: str, entry: OutputEntry) -> None:
    """`commands` is a client or a pipeline."""
    commands.xadd(stream, output_fields(entry), maxlen=keys.OUTPUT_STREAM_ENTRIES, approximate=True)


class OutputWriter:
    """Made once per worker process; safe to use from many greenlets."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def write(self, stream: str, entry: OutputEntry) -> None:
        """Raises StreamsUnavailableError when Redis did not take the entry within about 2 s."""
        try:
            add_output(self._client, stream, entry)
        except redis.RedisError as error:
            raise StreamsUnavailableError(f"output could not be written: {type(error).__name__}") from error

    def write_beats(self, beats: list[tuple[str, TaskBeat]]) -> None:
        """All beats in one round trip; a failed one is left out, the next follows in half a second."""
        pipeline = self._client.pipeline(transaction=False)
        for stream, beat in beats:
            add_output(pipeline, stream, beat)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise StreamsUnavailableError(f"beats could not be written: {type(error).__name__}") from error
