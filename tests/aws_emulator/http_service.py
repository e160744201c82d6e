"""Owns what Bedrock and Polly share: signature, journal entry, error shape, noticing a client that left."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar
from uuid import uuid4

from aiohttp import web

from tests.aws_emulator import connections
from tests.aws_emulator.journal import Call, Journal
from tests.aws_emulator.script import Script
from tests.aws_emulator.signature import Keyring, Proof, SignatureError, SignedRequest, verify_request

FAR_AHEAD_SECONDS = 3_600


class ServiceError(Exception):
    """An error the service answers before any stream; text and status default to the service's table."""

    def __init__(self, error_type: str, message: str | None = None, status: int | None = None) -> None:
        super().__init__(message or error_type)
        self.error_type = error_type
        self.message = message
        self.status = status


class HttpService(ABC):
    """One AWS service on the plain HTTP port; `answer` must close the call's journal entry."""

    name: ClassVar[str]
    signing_name: ClassVar[str]
    default_status: ClassVar[dict[str, int]]
    default_message: ClassVar[dict[str, str]]

    def __init__(self, journal: Journal, script: Script, keyring: Keyring) -> None:
        self.journal = journal
        self.script = script
        self.keyring = keyring

    @abstractmethod
    async def answer(self, request: web.Request, call: Call, proof: Proof, body: bytes) -> web.StreamResponse: ...

    def journal_name(self, body: bytes) -> str:
        return self.name

    def handler(self, operation: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            port = connections.client_port(request.transport)
            call = self.journal.open(self.name, operation, "http", port)
            call.facts["request_id"] = str(uuid4())
            try:
                return await self._handle(request, call)
            except (ConnectionError, asyncio.CancelledError):
                # aiohttp cancels the handler the moment the client's connection is gone.
                call.close("client_closed")
                raise
            finally:
                call.close("fault")

        return handle

    async def _handle(self, request: web.Request, call: Call) -> web.StreamResponse:
        body = await request.read()
        call.service = self.journal_name(body)
        if self.script.settings.record_pids:
            await connections.record_owner(call)
        signed = SignedRequest(request.method, request.raw_path, tuple(request.headers.items()), body)
        try:
            proof = verify_request(signed, self.signing_name, self.keyring)
            call.access_key_id = proof.access_key_id
            return await self.answer(request, call, proof, body)
        except SignatureError as error:
            call.access_key_id = error.access_key_id
            return self._refuse(call, 403, error.error_type, error.message)
        except ServiceError as error:
            status = error.status or self.default_status.get(error.error_type, 400)
            message = error.message or self.default_message.get(error.error_type, error.error_type)
            return self._refuse(call, status, error.error_type, message)

    def _refuse(self, call: Call, status: int, error_type: str, message: str) -> web.Response:
        call.refused(status, error_type, message)
        headers = {"x-amzn-ErrorType": error_type, "x-amzn-RequestId": call.facts["request_id"]}
        return web.json_response({"message": message}, status=status, headers=headers)


def parse_json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", "The request body is not valid JSON") from error
    if not isinstance(document, dict):
        raise ServiceError("SerializationException", "The request body is not a JSON object")
    return document
