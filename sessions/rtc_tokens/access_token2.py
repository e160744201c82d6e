"""Agora's AccessToken2 (prefix 007): builds, reads and verifies; knows no settings and no clock.

Layout, little endian: string = u16 length + bytes; map = u16 count + (u16 key, u32 value) in order of keys.
content = string(signature) + string(app id) + u32 issued_at, expire, salt + u16 service count + services;
service = u16 type + map(privileges) + for RTC string(channel) + string(account).
The signature is HMAC-SHA256 over everything behind it; its key is HMAC(salt, HMAC(issued_at, certificate)).
Compressed content may differ between builds of zlib: only the content itself is part of the form.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from sessions.rtc_tokens.errors import TokenRefusedError

VERSION = "007"
RTC_SERVICE = 1
MAX_TOKEN_CHARACTERS = 2_048
MAX_CONTENT_BYTES = 4_096
_HEX_ID = re.compile(r"[0-9a-fA-F]{32}")


class Privilege(IntEnum):
    JOIN_CHANNEL = 1
    PUBLISH_AUDIO = 2
    PUBLISH_VIDEO = 3
    PUBLISH_DATA = 4


@dataclass(frozen=True, slots=True)
class RtcGrant:
    """What a token allows. Both expiries are seconds after `issued_at`, as the service counts them."""

    app_id: str
    channel_name: str
    account: str
    issued_at: int
    expire_seconds: int
    salt: int
    privileges: dict[Privilege, int]


def publisher(expire_seconds: int) -> dict[Privilege, int]:
    """Join and publish, all ending together with the token."""
    return dict.fromkeys(Privilege, expire_seconds)


def account_of(uid: int) -> str:
    """The wire form of a uid; 0 is the empty account, which stands for every user."""
    return str(uid) if uid else ""


def build_token(grant: RtcGrant, certificate: str) -> str:
    """Raises TokenRefusedError when app id or certificate is not 32 hexadecimal digits."""
    if not _HEX_ID.fullmatch(grant.app_id) or not _HEX_ID.fullmatch(certificate):
        raise TokenRefusedError("the Agora app id and certificate must be 32 hexadecimal digits each")
    signed = _pack_signed(grant)
    content = _pack_string(_signature(signed, certificate, grant.issued_at, grant.salt)) + signed
    return VERSION + base64.b64encode(zlib.compress(content)).decode("ascii")


def read_token(token: str) -> RtcGrant:
    """What the token says, unverified. Raises TokenRefusedError."""
    return _unpack(token_content(token))[2]


def verify_token(token: str, certificate: str, now_seconds: int) -> RtcGrant:
    """Raises TokenRefusedError unless the signature holds and the token has not expired."""
    signature, signed, grant = _unpack(token_content(token))
    expected = _signature(signed, certificate, grant.issued_at, grant.salt)
    if not hmac.compare_digest(signature, expected):
        raise TokenRefusedError("the token's signature does not hold")
    if not grant.issued_at <= now_seconds < grant.issued_at + grant.expire_seconds:
        raise TokenRefusedError("the token is not valid at this time")
    return grant


def token_content(token: str) -> bytes:
    """The bytes inside the token, of bounded size. Raises TokenRefusedError."""
    if not token.startswith(VERSION) or len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenRefusedError("this is no 007 token")
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(base64.b64decode(token[len(VERSION) :], validate=True), MAX_CONTENT_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise TokenRefusedError("the token cannot be decoded") from error
    if not inflater.eof or inflater.unused_data:
        raise TokenRefusedError("the token is cut off or too long")
    return content


def _signature(signed: bytes, certificate: str, issued_at: int, salt: int) -> bytes:
    by_time = _hmac(struct.pack("<I", issued_at), certificate.encode())
    return _hmac(_hmac(struct.pack("<I", salt), by_time), signed)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _pack_signed(grant: RtcGrant) -> bytes:
    header = struct.pack("<IIIH", grant.issued_at, grant.expire_seconds, grant.salt, 1)
    privileges = b"".join(struct.pack("<HI", key, grant.privileges[key]) for key in sorted(grant.privileges))
    service = struct.pack("<HH", RTC_SERVICE, len(grant.privileges)) + privileges
    names = _pack_string(grant.channel_name.encode()) + _pack_string(grant.account.encode())
    return _pack_string(grant.app_id.encode()) + header + service + names


def _pack_string(value: bytes) -> bytes:
    return struct.pack("<H", len(value)) + value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.offset = 0

    def numbers(self, layout: str) -> tuple[int, ...]:
        values: tuple[int, ...] = struct.unpack_from(f"<{layout}", self._content, self.offset)
        self.offset += struct.calcsize(f"<{layout}")
        return values

    def string(self) -> bytes:
        (length,) = self.numbers("H")
        (value,) = struct.unpack_from(f"<{length}s", self._content, self.offset)
        self.offset += length
        return bytes(value)


def _unpack(content: bytes) -> tuple[bytes, bytes, RtcGrant]:
    reader = _Reader(content)
    try:
        signature = reader.string()
        signed = content[reader.offset :]
        grant = _unpack_grant(reader)
    except (struct.error, ValueError) as error:
        raise TokenRefusedError("the token's content is malformed") from error
    if reader.offset != len(content):
        raise TokenRefusedError("the token has something behind its end")
    return signature, signed, grant


def _unpack_grant(reader: _Reader) -> RtcGrant:
    app_id = reader.string().decode()
    issued_at, expire_seconds, salt, services = reader.numbers("IIIH")
    service, count = reader.numbers("HH")
    if services != 1 or service != RTC_SERVICE:
        raise TokenRefusedError("the token is for something other than one RTC channel")
    privileges = {Privilege(key): value for key, value in (reader.numbers("HI") for _ in range(count))}
    channel_name, account = reader.string().decode(), reader.string().decode()
    return RtcGrant(app_id, channel_name, account, issued_at, expire_seconds, salt, privileges)
