"""What every speech-to-text provider must pass. Subclass it as `Test...` in a test file and give it `ears`."""

import asyncio

import numpy as np
import pytest

from sessions.speech_to_text.contract import ListeningOptions, SpeechToText, SpeechToTextStream, Transcript
from workers.errors import ProviderError, ProviderRefusedError

LIMIT_SECONDS = 30


class SpeechToTextSuite:
    language = "en-US"
    unknown_language = "xx-XX"
    # Audio goes in this much faster than it was spoken.
    haste = 4.0

    @pytest.fixture
    async def ears(self) -> SpeechToText:
        """Override it; a fixture that yields and then closes is fine too."""
        raise NotImplementedError

    def speech(self, rate_hz: int) -> bytes:
        """An utterance between silences; a real recogniser needs real speech here."""
        loud = np.sin(2 * np.pi * 220 * np.arange(rate_hz) / rate_hz) * 12_000
        return silence(300, rate_hz) + loud.astype("<i2").tobytes() + silence(1_200, rate_hz)

    # --- what the checks are made of -----------------------------------------------------------------------------

    async def open(self, ears: SpeechToText, rate_hz: int = 16_000) -> SpeechToTextStream:
        return await ears.open(ListeningOptions(self.language, rate_hz, "session-1"))

    async def say(self, stream: SpeechToTextStream, pcm: bytes, rate_hz: int, piece_bytes: int) -> None:
        for start in range(0, len(pcm), piece_bytes):
            await stream.send(pcm[start : start + piece_bytes])
            await asyncio.sleep(piece_bytes / 2 / rate_hz / self.haste)

    async def hear(self, ears: SpeechToText, rate_hz: int = 16_000, piece_bytes: int = 0) -> list[Transcript]:
        stream = await self.open(ears, rate_hz)
        try:
            return await self.dictate(stream, rate_hz, piece_bytes or rate_hz // 5)
        finally:
            await stream.close()

    async def dictate(self, stream: SpeechToTextStream, rate_hz: int, piece_bytes: int) -> list[Transcript]:
        async def speak() -> None:
            await self.say(stream, self.speech(rate_hz), rate_hz, piece_bytes)
            await stream.finish()

        async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as both:
            listening = both.create_task(collect(stream))
            both.create_task(speak())
        return listening.result()

    # --- the checks ----------------------------------------------------------------------------------------------

    async def test_it_fulfils_the_contract(self, ears: SpeechToText) -> None:
        assert isinstance(ears, SpeechToText)
        stream = await self.open(ears)
        assert isinstance(stream, SpeechToTextStream)
        await stream.close()

    async def test_an_utterance_ends_with_its_final(self, ears: SpeechToText) -> None:
        heard = await self.hear(ears)
        assert heard[-1].is_final
        assert heard[-1].text.strip()
        assert {item.segment_id for item in heard if not item.is_final} <= {
            item.segment_id for item in heard if item.is_final
        }

    async def test_partials_come_before_the_final(self, ears: SpeechToText) -> None:
        assert not (await self.hear(ears))[0].is_final

    async def test_the_stable_text_is_a_beginning_and_of_a_final_all(self, ears: SpeechToText) -> None:
        for item in await self.hear(ears):
            assert item.text.startswith(item.stable_text)
            assert not item.is_final or item.stable_text == item.text

    async def test_times_are_within_the_audio(self, ears: SpeechToText) -> None:
        length_ms = len(self.speech(16_000)) / 32
        for item in await self.hear(ears):
            assert 0 <= item.start_ms <= item.end_ms <= length_ms + 500

    @pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
    async def test_it_hears_at_the_clients_rate(self, ears: SpeechToText, rate_hz: int) -> None:
        assert any(item.is_final for item in await self.hear(ears, rate_hz))

    @pytest.mark.parametrize("piece_bytes", [333, 640, 50_000])
    async def test_audio_may_come_in_pieces_of_any_size(self, ears: SpeechToText, piece_bytes: int) -> None:
        assert any(item.is_final for item in await self.hear(ears, 16_000, piece_bytes))

    async def test_two_streams_hear_at_once(self, ears: SpeechToText) -> None:
        both = await asyncio.gather(self.hear(ears), self.hear(ears))
        assert all(any(item.is_final for item in heard) for heard in both)
        assert {item.segment_id for item in both[0]}.isdisjoint({item.segment_id for item in both[1]})

    async def test_finishing_without_audio_ends_the_transcripts(self, ears: SpeechToText) -> None:
        stream = await self.open(ears)
        await stream.finish()
        async with asyncio.timeout(LIMIT_SECONDS):
            assert [item for item in await collect(stream) if item.text.strip()] == []
        await stream.close()

    async def test_closing_ends_the_transcripts_without_a_fault(self, ears: SpeechToText) -> None:
        stream = await self.open(ears)
        listening = asyncio.create_task(collect(stream))
        await stream.send(silence(200, 16_000))
        await stream.close()
        async with asyncio.timeout(LIMIT_SECONDS):
            await listening

    async def test_closing_twice_and_in_any_state_is_fine(self, ears: SpeechToText) -> None:
        fresh, used, finished = [await self.open(ears) for _ in range(3)]
        await used.send(silence(100, 16_000))
        await finished.finish()
        for stream in (fresh, used, finished):
            await stream.close()
            await stream.close()

    async def test_a_closed_stream_takes_no_audio(self, ears: SpeechToText) -> None:
        stream = await self.open(ears)
        await stream.close()
        with pytest.raises(ProviderError):
            await stream.send(silence(100, 16_000))

    async def test_an_unknown_language_is_refused_and_not_worth_a_retry(self, ears: SpeechToText) -> None:
        with pytest.raises(ProviderRefusedError) as caught:
            await self._try_unknown_language(ears)
        assert not caught.value.retriable

    async def _try_unknown_language(self, ears: SpeechToText) -> None:
        """The contract lets a service say so at the opening only; a service that says it later may do so at once."""
        stream = await ears.open(ListeningOptions(self.unknown_language, 16_000, "session-1"))
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await collect(stream)
        finally:
            await stream.close()


async def collect(stream: SpeechToTextStream) -> list[Transcript]:
    return [item async for item in stream.transcripts()]


def silence(milliseconds: int, rate_hz: int) -> bytes:
    return bytes(rate_hz * milliseconds // 1000 * 2)
