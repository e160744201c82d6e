"""Owns Polly's `POST /v1/speech` over HTTP/1.1; decides nothing about what may be asked."""

import asyncio
import hashlib
from typing import Any

from aiohttp import web

from tests.aws_emulator import connections
from tests.aws_emulator.http_service import FAR_AHEAD_SECONDS, HttpService, ServiceError, parse_json
from tests.aws_emulator.journal import Call, now_ms
from tests.aws_emulator.polly_checks import Speech, check_speech, mark_lines
from tests.aws_emulator.quotas import Rate
from tests.aws_emulator.script import PollyFault, PollyPlan
from tests.aws_emulator.signature import Proof
from tests.aws_emulator.speech_signal import speech_bytes

_PIECE_MS = 100
_WHOLE_PIECE_BYTES = 16_384
_REMEMBERED_TEXTS = 2_000
MARKS = "polly_marks"
"""Under this name the journal keeps calls for speech marks, and the script has plans of their own for them."""


class PollyService(HttpService):
    name = "polly"
    signing_name = "polly"
    default_status = {"ServiceFailureException": 500, "LexiconNotFoundException": 404}
    default_message = {
        "ThrottlingException": "Rate exceeded",
        "ServiceFailureException": "An unknown condition has caused a service failure.",
    }

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rate = Rate()
        self._running = 0
        self._spoken_ms: dict[tuple[str, str, str], float] = {}

    def journal_name(self, body: bytes) -> str:
        return MARKS if b'"SpeechMarkTypes"' in body else self.name

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/speech", self.handler("SynthesizeSpeech"))

    async def answer(self, request: web.Request, call: Call, proof: Proof, body: bytes) -> web.StreamResponse:
        document = parse_json(body)
        call.request = document
        call.parameters.update(document)
        speech = check_speech(document)
        call.facts.update(text=speech.text, voice=speech.voice, engine=speech.engine, rate_hz=speech.rate_hz)
        plan = self._plan(call, speech)
        if plan.error is not None:
            raise ServiceError(plan.error.type, plan.error.message, plan.error.status)
        settings = self.script.settings
        busy = settings.polly_concurrent is not None and self._running >= settings.polly_concurrent
        if busy or not self._rate.allows(settings.polly_requests_per_second):
            raise ServiceError("ThrottlingException")
        self._running += 1
        try:
            return await _Answer(request, call, plan, speech).send()
        finally:
            self._running -= 1

    def _plan(self, call: Call, speech: Speech) -> PollyPlan:
        """Marks keep the pace of the last sound that was made of the same text, unless their plan says otherwise."""
        spoken = (speech.text, speech.voice, speech.engine)
        if call.service == MARKS:
            plan = self.script.polly_marks.take(call.facts)
            if plan.model_fields_set & {"duration_ms", "ms_per_character"}:
                return plan
            known_ms = self._spoken_ms.get(spoken, speech.characters * self.script.polly.default.ms_per_character)
            return plan.model_copy(update={"duration_ms": known_ms})
        plan = self.script.polly.take(call.facts)
        self._spoken_ms.pop(spoken, None)
        self._spoken_ms[spoken] = plan.spoken_ms(speech.characters)
        if len(self._spoken_ms) > _REMEMBERED_TEXTS:
            del self._spoken_ms[next(iter(self._spoken_ms))]
        return plan


class _Answer:
    """One piece of speech being sent."""

    def __init__(self, request: web.Request, call: Call, plan: PollyPlan, speech: Speech) -> None:
        self._request = request
        self._call = call
        self._plan = plan
        self._speech = speech
        self._response = web.StreamResponse()

    async def send(self) -> web.StreamResponse:
        plan, speech = self._plan, self._speech
        if plan.first_byte_ms:
            await asyncio.sleep(plan.first_byte_ms / 1000)
        await self._open()
        body = self._body()
        end = len(body) if plan.fault is None else min(plan.fault.at_bytes, len(body))
        self._call.facts["speech_bytes"] = 0
        if speech.output_format == "json" or not plan.pace:
            await self._send_at_once(body[:end])
        else:
            await self._send_paced(body[:end], plan.pace)
        self._call.facts["speech_sha256"] = hashlib.sha256(body[:end]).hexdigest()
        if plan.fault is not None:
            return await self._fail(plan.fault)
        await self._response.write_eof()
        self._call.close("completed")
        return self._response

    def _body(self) -> bytes:
        plan, speech = self._plan, self._speech
        if speech.output_format == "json":
            return mark_lines(speech, plan.spoken_ms(speech.characters) / max(speech.characters, 1))
        spoken_ms = plan.spoken_ms(speech.characters)
        self._call.facts["speech_ms"] = spoken_ms
        return speech_bytes(spoken_ms, speech.rate_hz, plan.tone_hz, plan.amplitude)

    async def _open(self) -> None:
        kind = "application/x-json-stream" if self._speech.output_format == "json" else "audio/pcm"
        self._response.headers["Content-Type"] = self._plan.content_type or kind
        self._response.headers["x-amzn-RequestCharacters"] = str(self._speech.characters)
        self._response.headers["x-amzn-RequestId"] = self._call.facts["request_id"]
        self._response.enable_chunked_encoding()
        await self._response.prepare(self._request)
        self._call.status = 200
        self._call.sent("headers")

    async def _send_at_once(self, body: bytes) -> None:
        for at in range(0, len(body), _WHOLE_PIECE_BYTES):
            await self._send_piece(body[at : at + _WHOLE_PIECE_BYTES])

    async def _send_paced(self, body: bytes, pace: float) -> None:
        """Against the first byte's time, so late wake-ups do not add up."""
        bytes_per_ms = self._speech.rate_hz * 2 / 1000
        piece_bytes = round(_PIECE_MS * bytes_per_ms)
        started_ms = now_ms()
        for at in range(0, len(body), piece_bytes):
            rest_ms = started_ms + at / bytes_per_ms / pace - now_ms()
            if rest_ms > 0:
                await asyncio.sleep(rest_ms / 1000)
            await self._send_piece(body[at : at + piece_bytes])

    async def _send_piece(self, piece: bytes) -> None:
        await self._response.write(piece)
        self._call.facts["speech_bytes"] += len(piece)
        self._call.sent("speech", bytes=len(piece))

    async def _fail(self, fault: PollyFault) -> web.StreamResponse:
        self._call.sent(f"fault:{fault.kind}")
        self._call.error_type = fault.kind
        if fault.kind == "stall":
            await asyncio.sleep(FAR_AHEAD_SECONDS)
        self._call.close("fault")
        if fault.kind == "reset":
            connections.reset(self._request.transport)
        elif fault.kind == "cut":
            connections.cut(self._request.transport)
        else:
            await self._response.write_eof()
        return self._response
