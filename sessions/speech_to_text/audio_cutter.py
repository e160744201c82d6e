"""Cuts a stream of PCM into chunks of one length, every byte kept in order; pure."""

BYTES_PER_SAMPLE = 2
SHORTEST_CHUNK_MS = 50
LONGEST_CHUNK_MS = 200
USUAL_CHUNK_MS = 100
# Transcribe's limit for one audio event; 200 ms at 48 kHz stay below it.
MAX_CHUNK_BYTES = 32 * 1024


class AudioCutter:
    """The chunk's length follows the client's first piece, so that a steady client is never made to wait."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._chunk_bytes = 0
        self._held = bytearray()

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, pcm: bytes) -> list[bytes]:
        """Return the whole chunks that are there now; a piece may end in mid-sample."""
        if not self._chunk_bytes and pcm:
            self._chunk_bytes = self._fitting_chunk_bytes(len(pcm))
        self._held += pcm
        whole_bytes = len(self._held) - len(self._held) % self._chunk_bytes if self._chunk_bytes else 0
        chunks = [
            bytes(self._held[start : start + self._chunk_bytes])
            for start in range(0, whole_bytes, self._chunk_bytes or 1)
        ]
        del self._held[:whole_bytes]
        return chunks

    def flush(self) -> bytes:
        """Return what is held, whole samples only; half a sample waits for its other half."""
        whole_bytes = len(self._held) - len(self._held) % BYTES_PER_SAMPLE
        rest = bytes(self._held[:whole_bytes])
        del self._held[:whole_bytes]
        return rest

    def _fitting_chunk_bytes(self, piece_bytes: int) -> int:
        """A whole number of the client's pieces when they are short, one when it fits, else 100 ms."""
        shortest, longest = self._bytes_of(SHORTEST_CHUNK_MS), self._bytes_of(LONGEST_CHUNK_MS)
        if piece_bytes > longest or piece_bytes % BYTES_PER_SAMPLE:
            return self._bytes_of(USUAL_CHUNK_MS)
        pieces = max(1, -(-shortest // piece_bytes))
        return pieces * piece_bytes

    def _bytes_of(self, milliseconds: int) -> int:
        return self._sample_rate_hz * milliseconds // 1000 * BYTES_PER_SAMPLE
