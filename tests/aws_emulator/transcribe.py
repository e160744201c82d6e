"""Owns a Transcribe stream's life whatever carries it: admission, audio in, results and faults out."""

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from tests.aws_emulator import connections
from tests.aws_emulator.event_stream import (
    Decoder,
    EventStreamError,
    Message,
    decode_one,
    encode_event,
    encode_exception,
    with_wrong_checksum,
)
from tests.aws_emulator.hearing import Hearing
from tests.aws_emulator.journal import Call, Journal, Json, now_ms
from tests.aws_emulator.quotas import Rate
from tests.aws_emulator.script import Script, ScriptedResult, TranscribeFault, TranscribePlan
from tests.aws_emulator.signature import (
    Keyring,
    Proof,
    SignatureError,
    SignedRequest,
    verify_event,
    verify_presigned,
    verify_request,
)
from tests.aws_emulator.tone_words import ToneHearing
from tests.aws_emulator.transcribe_checks import StreamParameters, StreamRefusedError, check_parameters
from tests.aws_emulator.transcripts import empty_event, scripted_event

DEFAULT_TEXTS = {"zh": "你好，今天的天气怎么样？", "en": "Hello, what will the weather be like today?"}
_GARBAGE = b"garbage that is no event-stream message" * 2


class StreamTransport(Protocol):
    """What carries one stream. Every method may be called after the client left, and then does nothing."""

    def send_frame(self, frame: bytes) -> None: ...
    def finish(self) -> None: ...
    def reset(self) -> None: ...
    def cut(self) -> None: ...
    def go_away(self) -> None: ...
    def reset_stream(self) -> None: ...


@dataclass(frozen=True)
class Admission:
    plan: TranscribePlan
    parameters: StreamParameters
    proof: Proof


class TranscribeService:
    """The account's side: who may open a stream, how many are open, which texts come next."""

    def __init__(self, journal: Journal, script: Script, keyring: Keyring) -> None:
        self.journal = journal
        self.script = script
        self.keyring = keyring
        self._rate = Rate()
        self._open: dict[Call, TranscribeStream] = {}
        self._lookups: set[asyncio.Task[None]] = set()

    def begin(self, transport: str, client_port: int) -> Call:
        call = self.journal.open("transcribe", "StartStreamTranscription", transport, client_port)
        call.facts["request_id"] = str(uuid4())
        if self.script.settings.record_pids:
            lookup = asyncio.create_task(connections.record_owner(call))
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)
        return call

    def admit(self, call: Call, request: SignedRequest, raw: dict[str, str]) -> Admission:
        """Raises SignatureError or StreamRefusedError, as the service would before the stream begins."""
        call.parameters.update(raw)
        verify = verify_presigned if call.transport == "websocket" else verify_request
        proof = verify(request, "transcribe", self.keyring)
        call.access_key_id = proof.access_key_id
        parameters = check_parameters(raw)
        facts = {
            "language_code": parameters.language_code,
            "rate_hz": parameters.rate_hz,
            "session_id": parameters.session_id,
            "transport": call.transport,
        }
        call.facts.update(facts)
        plan = self.script.transcribe.take(facts)
        if plan.error is not None:
            raise StreamRefusedError(plan.error.type, plan.error.message, plan.error.status)
        self._check_quotas(call.transport)
        self._end_older(parameters.session_id)
        return Admission(plan, parameters, proof)

    def opened(self, call: Call, stream: "TranscribeStream") -> None:
        self._open[call] = stream

    def closed(self, call: Call) -> None:
        self._open.pop(call, None)

    def next_text(self, own_texts: deque[str], plan: TranscribePlan, language_code: str) -> str:
        for texts in (own_texts, self.script.texts):
            if texts:
                return texts.popleft()
        if plan.text is not None:
            return plan.text
        return DEFAULT_TEXTS.get(language_code[:2], DEFAULT_TEXTS["en"])

    def _check_quotas(self, transport: str) -> None:
        """AWS counts HTTP/2 and websocket streams apart."""
        settings = self.script.settings
        streams = sum(1 for call in self._open if call.transport == transport)
        if settings.transcribe_streams is not None and streams >= settings.transcribe_streams:
            raise StreamRefusedError("LimitExceededException")
        if not self._rate.allows(settings.transcribe_starts_per_second):
            raise StreamRefusedError("LimitExceededException", "Your request rate is too high.")

    def _end_older(self, session_id: str) -> None:
        for stream in list(self._open.values()):
            if stream.session_id == session_id:
                stream.fail(StreamRefusedError("ConflictException"))


class TranscribeStream:
    """One admitted stream; its carrier calls start, then receive and end_of_input, and client_gone last."""

    def __init__(
        self, service: TranscribeService, call: Call, admission: Admission, transport: StreamTransport
    ) -> None:
        self._service = service
        self._call = call
        self._plan = admission.plan
        self._parameters = admission.parameters
        self._proof = admission.proof
        self._prior_signature = admission.proof.signature
        self._transport = transport
        self._decoder = Decoder()
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._position_ms = 0.0
        self._last_audio_ms = now_ms()
        self._silenced = False
        self._ended = False
        self._results = deque(sorted(self._plan.results or (), key=lambda result: result.at_audio_ms))
        self._faults = deque(sorted(self._plan.faults, key=lambda fault: fault.at_audio_ms))
        self._scripted_ids: Iterator[str] = iter(lambda: str(uuid4()), "")
        self._result_id = next(self._scripted_ids)
        texts = deque(self._plan.texts or ())
        record = call.facts.setdefault("utterances", []).append
        self._hearing: Hearing | ToneHearing
        if self._plan.vocabulary is not None:
            wanted = self._plan.vocabulary, self._plan.final_ms
            self._hearing = ToneHearing(*wanted, self._parameters, self._send_result, record)
        else:
            next_text = partial(service.next_text, texts, self._plan, self._parameters.language_code)
            self._hearing = Hearing(self._plan, self._parameters, next_text, self._send_result, record)

    @property
    def session_id(self) -> str:
        return self._parameters.session_id

    def start(self) -> None:
        settings = self._service.script.settings
        self._service.opened(self._call, self)
        self._call.status = 200
        self._last_audio_ms = now_ms()
        self._timers.append(self._loop.call_later(settings.transcribe_idle_seconds, self._check_idle))
        self._timers.append(self._loop.call_later(settings.transcribe_stream_seconds, self._too_long))
        self._play_script()

    def receive(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            for message in self._decoder.feed(data):
                if not self._ended:
                    self._receive_message(message)
        except EventStreamError as error:
            self.fail(StreamRefusedError("BadRequestException", f"Could not decode the event stream: {error}"))
        except SignatureError as error:
            self.fail(StreamRefusedError(error.error_type, error.message, 403))
        except StreamRefusedError as refusal:
            self.fail(refusal)

    def end_of_input(self) -> None:
        if self._ended:
            return
        self._hearing.flush()
        self._end("completed")
        self._transport.finish()

    def client_gone(self) -> None:
        if not self._ended:
            self._end("client_closed")

    def fail(self, refusal: StreamRefusedError) -> None:
        """Sends the exception as the last frame and ends the stream."""
        if self._ended:
            return
        payload = json.dumps({"Message": refusal.message}).encode()
        self._transport.send_frame(encode_exception(refusal.exception_type, payload))
        self._call.sent("exception", exception=refusal.exception_type)
        self._call.error_type, self._call.error_message = refusal.exception_type, refusal.message
        self._end("fault")
        self._transport.finish()

    def _receive_message(self, message: Message) -> None:
        if ":chunk-signature" in message.headers:
            self._prior_signature = verify_event(message, self._prior_signature, self._proof)
            if not message.payload:
                self.end_of_input()
                return
            message = decode_one(message.payload)
        elif self._call.transport == "http2":
            raise SignatureError("InvalidSignatureException", "The event is not signed")
        event_type = str(message.headers.get(":event-type"))
        if event_type != "AudioEvent":
            raise StreamRefusedError("BadRequestException", f"Unknown event {event_type}")
        if message.payload:
            self._receive_audio(message.payload)
        else:
            self.end_of_input()

    def _receive_audio(self, chunk: bytes) -> None:
        self._call.received_audio(chunk, self._service.script.settings.keep_audio)
        self._call.facts["audio_bytes"] = self._call.facts.get("audio_bytes", 0) + len(chunk)
        self._parameters.check_chunk(chunk)
        if self._position_ms == 0:
            self._send_json(empty_event())
        self._last_audio_ms = now_ms()
        self._position_ms += len(chunk) / self._parameters.bytes_per_ms
        self._call.facts["audio_ms"] = round(self._position_ms, 3)
        if self._plan.results is None and self._parameters.encoding == "pcm":
            self._hearing.feed(chunk)
        self._play_script()

    def _play_script(self) -> None:
        while self._results and self._results[0].at_audio_ms <= self._position_ms:
            result = self._results.popleft()
            if result.delay_ms:
                delay_seconds = result.delay_ms / 1000
                self._timers.append(self._loop.call_later(delay_seconds, self._send_scripted, result))
            else:
                self._send_scripted(result)
        while not self._ended and self._faults and self._faults[0].at_audio_ms <= self._position_ms:
            self._happen(self._faults.popleft())

    def _send_scripted(self, result: ScriptedResult) -> None:
        self._send_result(scripted_event(result, result.result_id or self._result_id, self._parameters))
        if not result.is_partial:
            self._result_id = next(self._scripted_ids)

    def _send_result(self, event: Json) -> None:
        if not self._silenced:
            self._send_json(event)

    def _send_json(self, event: Json) -> None:
        if self._ended:
            return
        payload = json.dumps(event, ensure_ascii=False).encode()
        self._transport.send_frame(encode_event("TranscriptEvent", payload))
        self._call.sent("TranscriptEvent", **_noted(event))

    def _happen(self, fault: TranscribeFault) -> None:
        if fault.kind == "silence":
            self._silenced = True
        elif fault.kind == "exception":
            self.fail(StreamRefusedError(fault.exception, fault.message))
        elif fault.kind == "bad_crc":
            self._transport.send_frame(with_wrong_checksum(encode_event("TranscriptEvent", b"{}")))
        elif fault.kind == "garbage":
            self._transport.send_frame(_GARBAGE)
        else:
            self._end("fault")
            self._call.error_type = fault.kind
            end_by = {
                "end": self._transport.finish,
                "reset": self._transport.reset,
                "cut": self._transport.cut,
                "goaway": self._transport.go_away,
                "reset_stream": self._transport.reset_stream,
            }
            end_by[fault.kind]()
        self._call.sent(f"fault:{fault.kind}")

    def _check_idle(self) -> None:
        if self._ended:
            return
        idle_seconds = self._service.script.settings.transcribe_idle_seconds
        rest_seconds = idle_seconds - (now_ms() - self._last_audio_ms) / 1000
        if rest_seconds > 0:
            self._timers[0] = self._loop.call_later(rest_seconds, self._check_idle)
            return
        self.fail(
            StreamRefusedError(
                "BadRequestException",
                f"Your request timed out because no new audio was received for {idle_seconds:g} seconds.",
            )
        )

    def _too_long(self) -> None:
        self.fail(StreamRefusedError("LimitExceededException", "Your audio stream is longer than 4 hours."))

    def _end(self, outcome: Any) -> None:
        self._ended = True
        for timer in self._timers:
            timer.cancel()
        self._hearing.close()
        self._service.closed(self._call)
        self._call.close(outcome)


def _noted(event: Json) -> Json:
    results = event["Transcript"]["Results"]
    if not results or not results[0]["Alternatives"]:
        return {}
    return {"text": results[0]["Alternatives"][0]["Transcript"], "is_partial": results[0]["IsPartial"]}
