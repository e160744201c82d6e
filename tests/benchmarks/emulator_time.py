"""What the emulator itself takes to note a request: a bare socket sends what boto3 would, at the pace of a talk."""

import contextlib
import random
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest

from tests.benchmarks.report import percentile
from tests.benchmarks.speaker import now_ms
from tests.benchmarks.turns import PAUSE_SECONDS
from tests.house import House

CALLS = 20
LIMIT_SECONDS = 5.0
_ASK = "How late is it?"


@dataclass(frozen=True, slots=True)
class EmulatorTime:
    """Medians, in milliseconds, from the last byte sent to the request's time in the journal."""

    bedrock_ms: float
    polly_ms: float

    @property
    def both_ms(self) -> float:
        return self.bedrock_ms + self.polly_ms


def measure(house: House) -> EmulatorTime:
    house.aws.reset()
    house.aws.script(defaults={"polly": {"duration_ms": 100}}, settings={"keep_audio": False})
    bedrock, polly = _converse(house), _synthesize(house)
    sent: dict[str, list[float]] = {"bedrock": [], "polly": []}
    for _ in range(CALLS):
        for service, request in (("bedrock", bedrock), ("polly", polly)):
            time.sleep(random.uniform(*PAUSE_SECONDS) / 2)
            sent[service].append(_send(request))
    bedrock_ms, polly_ms = (percentile(_gaps(house, service, times), 50) for service, times in sent.items())
    house.aws.reset()
    return EmulatorTime(bedrock_ms, polly_ms)


def _gaps(house: House, service: str, sent_ms: list[float]) -> list[float]:
    opened_ms = [call["opened_ms"] for call in house.aws.journal(service=service)]
    return [opened - sent for sent, opened in zip(sent_ms, opened_ms, strict=True)]


def _send(request: AWSPreparedRequest) -> float:
    """A new connection each: an aged one would be closed. The time is taken when the request is in the socket."""
    address = urlsplit(request.url)
    head = [f"POST {address.path} HTTP/1.1", "Connection: close"]
    head += [f"{name}: {_text(value)}" for name, value in request.headers.items()]
    body = request.body if isinstance(request.body, bytes) else str(request.body).encode()
    with socket.create_connection((address.hostname or "", address.port or 80), LIMIT_SECONDS) as connection:
        time.sleep(0.02)  # the connection is open, as a pooled one is
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message = "\r\n".join([*head, "", ""]).encode() + body
        sent_ms = now_ms()
        connection.sendall(message)
        while connection.recv(65_536):
            pass
    return sent_ms


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _converse(house: House) -> AWSPreparedRequest:
    client = _client(house, "bedrock-runtime")
    return _caught(
        client,
        lambda: client.converse_stream(
            modelId="us.amazon.nova-pro-v1:0", messages=[{"role": "user", "content": [{"text": _ASK}]}]
        ),
    )


def _synthesize(house: House) -> AWSPreparedRequest:
    client = _client(house, "polly")
    return _caught(
        client,
        lambda: client.synthesize_speech(
            Text=_ASK, VoiceId="Ruth", Engine="generative", OutputFormat="pcm", SampleRate="16000"
        ),
    )


def _client(house: House, service: str) -> Any:
    env = house.environment
    variable = {"bedrock-runtime": "BEDROCK_RUNTIME", "polly": "POLLY"}[service]
    make: Any = boto3.client  # the stubs want one literal service
    return make(
        service,
        region_name=env["AWS_REGION"],
        endpoint_url=env[f"AWS_ENDPOINT_URL_{variable}"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        verify=env.get("AWS_CA_BUNDLE"),
    )


class _CaughtError(Exception):
    """Ends boto3's call when its signed request is in our hands."""


def _caught(client: Any, call: Any) -> AWSPreparedRequest:
    caught: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> None:
        caught.append(request)
        raise _CaughtError

    client.meta.events.register("before-send", catch)
    with contextlib.suppress(_CaughtError):
        call()
    return caught[0]
