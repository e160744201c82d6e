"""Signs the address of Transcribe's websocket; holds the credentials no longer than that takes."""

import ssl
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from sessions.speech_to_text.contract import ListeningOptions

PATH = "/stream-transcription-websocket"
WEBSOCKET_PORT = 8443
# Only the handshake must fall into it.
LIFE_SECONDS = 60


def websocket_endpoint(region: str, endpoint_url: str | None) -> str:
    """The https address that is signed; the websocket then goes to the same host and port by wss."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return (endpoint_url or f"https://transcribestreaming.{region}.{suffix}:{WEBSOCKET_PORT}").rstrip("/")


def presigned_url(
    endpoint: str,
    region: str,
    credentials: ReadOnlyCredentials,
    options: ListeningOptions,
) -> str:
    """A wss address that is good for one stream."""
    query = {
        "language-code": options.language,
        "media-encoding": "pcm",
        "sample-rate": str(options.sample_rate_hz),
        "session-id": str(uuid4()),
        "enable-partial-results-stabilization": "true",
        "partial-results-stability": "high",
    }
    request = AWSRequest("GET", f"{endpoint}{PATH}?{urlencode(query)}")
    SigV4QueryAuth(credentials, "transcribe", region, expires=LIFE_SECONDS).add_auth(request)
    signed = urlsplit(str(request.url))
    return signed._replace(scheme="ws" if signed.scheme == "http" else "wss").geturl()


def tls_context(ca_bundle_path: str | None) -> ssl.SSLContext:
    """Trust for this client alone: the bundle when one is named, else what the system trusts."""
    context = ssl.create_default_context(cafile=ca_bundle_path)
    context.set_alpn_protocols(["http/1.1"])
    return context
