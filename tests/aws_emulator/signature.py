"""Owns checking AWS Signature Version 4 on requests, presigned URLs and event frames; keeps no session."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import EMPTY_SHA256_HASH, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.aws_emulator.event_stream import Message, encode_headers

ALGORITHM = "AWS4-HMAC-SHA256"
EVENT_PAYLOAD = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
_MAX_SKEW = timedelta(minutes=5)


class SignatureError(Exception):
    """Refused before the service looks at the request: an error type of AWS, its text, always status 403."""

    def __init__(self, error_type: str, message: str, access_key_id: str | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.access_key_id = access_key_id


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came over the wire; `target` is the raw path and query, nothing decoded."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Proof:
    """What a verified request leaves for checking the frames that follow it."""

    access_key_id: str
    secret: str | None = field(repr=False)
    region: str
    service: str
    signature: str


@dataclass
class Keyring:
    """The secrets the emulator knows and the keys it calls expired."""

    secrets: dict[str, str]
    expired: set[str] = field(default_factory=set)
    accept_unknown: bool = False

    def secret(self, access_key_id: str) -> str | None:
        if access_key_id in self.expired:
            raise SignatureError(
                "ExpiredTokenException",
                "The security token included in the request is expired",
                access_key_id,
            )
        if access_key_id not in self.secrets and not self.accept_unknown:
            raise SignatureError(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
                access_key_id,
            )
        return self.secrets.get(access_key_id)


@dataclass(frozen=True)
class _Claim:
    access_key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str


def verify_request(request: SignedRequest, service: str, keyring: Keyring) -> Proof:
    claim = _claim_of_header(request)
    payload_hashes = {hashlib.sha256(request.body).hexdigest(), EVENT_PAYLOAD}
    if declared := request.header("x-amz-content-sha256"):
        payload_hashes.add(declared)
    return _verify(request, claim, service, keyring, payload_hashes)


def verify_presigned(request: SignedRequest, service: str, keyring: Keyring) -> Proof:
    """Checks X-Amz-* in the query; the signature itself is not part of what is signed."""
    claim, lifetime_seconds = _claim_of_query(request)
    signed_at = _parse_timestamp(claim.timestamp)
    if datetime.now(UTC) > signed_at + timedelta(seconds=lifetime_seconds):
        raise SignatureError("InvalidSignatureException", f"Signature expired: {claim.timestamp} is too old")
    path, _, query = request.target.partition("?")
    unsigned = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    bare = SignedRequest(request.method, f"{path}?{unsigned}", request.headers)
    return _verify(bare, claim, service, keyring, {EMPTY_SHA256_HASH, "UNSIGNED-PAYLOAD"})


def verify_event(message: Message, prior_signature: str, proof: Proof) -> str:
    """Checks one signed frame against the one before it and returns its own signature for the next."""
    date, signature = message.headers.get(":date"), message.headers.get(":chunk-signature")
    if not isinstance(date, datetime) or not isinstance(signature, bytes):
        raise SignatureError("InvalidSignatureException", "The event has no :date or no :chunk-signature")
    if proof.secret is None:
        return signature.hex()
    timestamp = date.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{timestamp[:8]}/{proof.region}/{proof.service}/aws4_request"
    string_to_sign = "\n".join(
        (
            "AWS4-HMAC-SHA256-PAYLOAD",
            timestamp,
            scope,
            prior_signature,
            hashlib.sha256(encode_headers({":date": date})).hexdigest(),
            hashlib.sha256(message.payload).hexdigest(),
        )
    )
    key = _signing_key(proof.secret, timestamp[:8], proof.region, proof.service)
    expected = hmac.new(key, string_to_sign.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(expected, signature):
        raise SignatureError("InvalidSignatureException", _MISMATCH)
    return signature.hex()


def _claim_of_header(request: SignedRequest) -> _Claim:
    authorization = request.header("authorization")
    if not authorization:
        raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = authorization.partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not parts.get(name)]
    if algorithm != ALGORITHM or missing:
        named = ", ".join(missing) or "a known algorithm"
        raise SignatureError("IncompleteSignatureException", f"The Authorization header requires {named}.")
    return _claim(parts["Credential"], parts["SignedHeaders"], parts["Signature"], request.header("x-amz-date") or "")


def _claim_of_query(request: SignedRequest) -> tuple[_Claim, int]:
    query = dict(parse_qsl(urlsplit(request.target).query, keep_blank_values=True))
    wanted = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [name for name in wanted if not query.get(f"X-Amz-{name}")]
    if len(missing) == len(wanted):
        raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
    if missing or query["X-Amz-Algorithm"] != ALGORITHM:
        raise SignatureError("IncompleteSignatureException", f"The URL requires {', '.join(missing) or ALGORITHM}")
    lifetime = query["X-Amz-Expires"]
    if not lifetime.isdigit() or not 1 <= int(lifetime) <= 300:
        raise SignatureError("InvalidSignatureException", "X-Amz-Expires must be between 1 and 300 seconds")
    claim = _claim(
        query["X-Amz-Credential"], query["X-Amz-SignedHeaders"], query["X-Amz-Signature"], query["X-Amz-Date"]
    )
    return claim, int(lifetime)


def _claim(credential: str, signed_headers: str, signature: str, timestamp: str) -> _Claim:
    scope = credential.split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise SignatureError("IncompleteSignatureException", f"Credential {credential} has no valid scope")
    access_key_id, date, region, service, _ = scope
    if _parse_timestamp(timestamp).strftime("%Y%m%d") != date:
        raise SignatureError("InvalidSignatureException", "Date in Credential scope is not that of X-Amz-Date")
    names = tuple(signed_headers.split(";"))
    return _Claim(access_key_id, region, service, names, signature, timestamp)


def _parse_timestamp(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureError("IncompleteSignatureException", "X-Amz-Date is missing or malformed") from error


def _verify(
    request: SignedRequest, claim: _Claim, service: str, keyring: Keyring, payload_hashes: Iterable[str]
) -> Proof:
    secret = keyring.secret(claim.access_key_id)
    if claim.service != service:
        raise SignatureError(
            "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'."
        )
    _check_clock(claim)
    missing = [name for name in claim.signed_headers if request.header(name) is None]
    if "host" not in claim.signed_headers or missing:
        raise SignatureError("InvalidSignatureException", f"Signed headers must hold host and be sent: {missing}")
    if secret is not None and not any(
        hmac.compare_digest(_expected(request, claim, secret, payload_hash), claim.signature)
        for payload_hash in payload_hashes
    ):
        raise SignatureError("InvalidSignatureException", _MISMATCH, claim.access_key_id)
    return Proof(claim.access_key_id, secret, claim.region, claim.service, claim.signature)


def _check_clock(claim: _Claim) -> None:
    signed_at = _parse_timestamp(claim.timestamp)
    now = datetime.now(UTC)
    if abs(now - signed_at) > _MAX_SKEW:
        word = "expired" if now > signed_at else "not yet current"
        raise SignatureError(
            "InvalidSignatureException",
            f"Signature {word}: {claim.timestamp} is more than 5 minutes from {now:%Y%m%dT%H%M%SZ}",
        )


def _expected(request: SignedRequest, claim: _Claim, secret: str, payload_hash: str) -> str:
    aws_request = AWSRequest(request.method, f"https://{request.header('host')}{request.target}")
    for name, value in request.headers:
        if name.lower() in claim.signed_headers:
            aws_request.headers[name.lower()] = value
    aws_request.context["timestamp"] = claim.timestamp
    signer = SigV4Auth(Credentials(claim.access_key_id, secret), claim.service, claim.region)
    # botocore hashes the payload of the request it is given, which has none; the hash is the last line.
    canonical = signer.canonical_request(aws_request).rsplit("\n", 1)[0] + "\n" + payload_hash
    return str(signer.signature(signer.string_to_sign(aws_request, canonical), aws_request))


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
