"""The workers' end of the output stream: one entry after another, in order, bounded by trimming."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from workers.errors import StreamsUnavailableError
from workers.streams import keys
from workers.streams.codec import output_fields
from workers.streams.messages import OutputEntry, TaskBeat


def add_output(commands: Any, stream: str, entry: OutputEntry) -> None:
    """`commands` is a client or a pipeline."""
    commands.xadd(stream, output_fields(entry), maxlen=keys.OUTPUT_STREAM_ENTRIES, approximate=True)


@contextmanager
def written_together(client: "redis.Redis") -> Iterator[Any]:
    """A pipeline that leaves in one round trip at the block's end. Raises StreamsUnavailableError."""
    pipeline = client.pipeline(transaction=False)
    yield pipeline
    with _named_faults():
        pipeline.execute()


@contextmanager
def _named_faults() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StreamsUnavailableError(f"output could not be written: {type(error).__name__}") from error


class OutputWriter:
    """Made once per worker process; safe to use from many greenlets."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def write(self, stream: str, entry: OutputEntry) -> None:
        """Raises StreamsUnavailableError when Redis did not take the entry within about 2 s."""
        with _named_faults():
            add_output(self._client, stream, entry)

    def write_beats(self, beats: list[tuple[str, TaskBeat]]) -> None:
        """All beats in one round trip; a failed one is left out, the next follows in half a second."""
        with written_together(self._client) as pipeline:
            for stream, beat in beats:
                add_output(pipeline, stream, beat)
