"""Owns Bedrock's `POST /model/{id}/converse-stream` over HTTP/1.1; decides nothing about what is answered."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.aws_emulator import connections
from tests.aws_emulator.bedrock_checks import MAX_PAYLOAD_BYTES, check_request, request_facts
from tests.aws_emulator.bedrock_replies import INVALID_TOOL_USE, Event, breaks_tool_use, events_of, metadata
from tests.aws_emulator.event_stream import encode_event, encode_exception, with_wrong_checksum
from tests.aws_emulator.http_service import FAR_AHEAD_SECONDS, HttpService, ServiceError, parse_json
from tests.aws_emulator.journal import Call, now_ms
from tests.aws_emulator.quotas import Rate
from tests.aws_emulator.refusal import InvalidRequestError
from tests.aws_emulator.script import BedrockFault, BedrockPlan
from tests.aws_emulator.signature import Proof

Json = dict[str, Any]

STATUS_OF = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_MESSAGE_OF = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "InternalServerException": "The system encountered an unexpected error. Try your request again.",
    "ModelTimeoutException": "Model has timed out in processing the request. Try your request again.",
}
_GARBAGE = b"\x00\x01garbage that is no event-stream message\xff" * 4


class BedrockService(HttpService):
    name = "bedrock"
    signing_name = "bedrock"
    default_status = STATUS_OF
    default_message = _MESSAGE_OF

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rate = Rate()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/model/{model_id:.+}/converse-stream", self.handler("ConverseStream"))

    async def answer(self, request: web.Request, call: Call, proof: Proof, body: bytes) -> web.StreamResponse:
        model_id = unquote(request.match_info["model_id"])
        call.parameters["model_id"] = model_id
        document = parse_json(body)
        call.request = document
        if len(body) > MAX_PAYLOAD_BYTES:
            raise ServiceError("ValidationException", "Input is too long for requested model.")
        settings = self.script.settings
        try:
            facts = request_facts(document, model_id)
            call.facts.update(facts)
            check_request(document, model_id, facts, settings.bedrock_model_pattern)
        except InvalidRequestError as error:
            raise ServiceError(error.error_type, error.message) from error
        if not self._rate.allows(settings.bedrock_requests_per_second):
            raise ServiceError("ThrottlingException")
        plan = self.script.bedrock.take(facts)
        if plan.error is not None:
            raise ServiceError(plan.error.type, plan.error.message, plan.error.status)
        return await _Answer(request, call, plan, facts).send()


class _Answer:
    """One answer being sent: its own clock, one event after the other."""

    def __init__(self, request: web.Request, call: Call, plan: BedrockPlan, facts: Json) -> None:
        self._request = request
        self._call = call
        self._plan = plan
        self._facts = facts
        self._started_ms = now_ms()
        self._response = web.StreamResponse()
        self._output_characters = 0

    async def send(self) -> web.StreamResponse:
        plan = self._plan
        early_ms = plan.first_token_ms if plan.headers_ms is None else plan.headers_ms
        await self._wait_until(early_ms)
        await self._open()
        await self._wait_until(plan.first_token_ms)
        tokens = 0
        for number, (name, body) in enumerate(self._events()):
            if self._fault is not None and number == self._fault.at_event:
                return await self._fail(self._fault)
            if name == "contentBlockDelta":
                await self._wait_until(plan.first_token_ms + tokens * plan.token_ms)
                tokens += 1
                self._output_characters += len(body.get("delta", {}).get("text", ""))
            await self._send_event(name, body)
        if self._fault is not None:
            return await self._fail(self._fault)
        await self._response.write_eof()
        self._call.close("completed")
        return self._response

    @property
    def _fault(self) -> BedrockFault | None:
        if breaks_tool_use(self._plan):
            return BedrockFault(at_event=1, kind="exception", message=INVALID_TOOL_USE)
        return self._plan.fault

    def _events(self) -> Iterator[Event]:
        yield from events_of(self._plan, self._facts)
        if self._plan.metadata and self._plan.events is None:
            yield metadata(self._plan, self._facts, self._output_characters, now_ms() - self._started_ms)

    async def _open(self) -> None:
        self._response.content_type = "application/vnd.amazon.eventstream"
        self._response.headers["x-amzn-RequestId"] = self._call.facts["request_id"]
        self._response.enable_chunked_encoding()
        await self._response.prepare(self._request)
        self._call.status = 200
        self._call.sent("headers")

    async def _send_event(self, name: str, body: Json) -> None:
        payload = json.dumps({**body, "p": "abcdef"}, ensure_ascii=False).encode()
        await self._write(encode_event(name, payload))
        text = body.get("delta", {}).get("text") if name == "contentBlockDelta" else None
        self._call.sent(name, **({"text": text} if text is not None else {}))

    async def _write(self, data: bytes) -> None:
        step = self._plan.drip_bytes or len(data)
        for at in range(0, len(data), step):
            await self._response.write(data[at : at + step])
            if self._plan.drip_bytes:
                await asyncio.sleep(0.001)

    async def _fail(self, fault: BedrockFault) -> web.StreamResponse:
        self._call.sent(f"fault:{fault.kind}")
        self._call.error_type = fault.exception if fault.kind == "exception" else fault.kind
        if fault.kind == "stall":
            await asyncio.sleep(FAR_AHEAD_SECONDS)
        if fault.kind == "exception":
            payload = json.dumps({"message": fault.message or f"{fault.exception} by script"}).encode()
            await self._write(encode_exception(fault.exception, payload))
        elif fault.kind == "bad_crc":
            await self._write(with_wrong_checksum(encode_event("contentBlockDelta", b"{}")))
        elif fault.kind == "garbage":
            await self._write(_GARBAGE)
        self._call.close("fault")
        if fault.kind == "reset":
            connections.reset(self._request.transport)
        elif fault.kind == "cut":
            connections.cut(self._request.transport)
        else:
            await self._response.write_eof()
        return self._response

    async def _wait_until(self, after_ms: float) -> None:
        """Against the start of the answer, so late wake-ups do not add up."""
        rest_ms = self._started_ms + after_ms - now_ms()
        if rest_ms > 0:
            await asyncio.sleep(rest_ms / 1000)
