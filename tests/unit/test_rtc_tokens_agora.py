"""Agora tokens against the vendor's own builder (vectors made with npm agora-token) and against forgers."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from agora_token_builder.AccessToken import AccessToken
from hypothesis import given
from hypothesis import strategies as st

from sessions.rtc_tokens.access_token2 import (
    Privilege,
    RtcGrant,
    account_of,
    build_token,
    publisher,
    read_token,
    token_content,
    verify_token,
)
from sessions.rtc_tokens.errors import TokenRefusedError
from sessions.rtc_tokens.rtc_token import rtc_token
from tests.unit.web_site import APP_ID, CERTIFICATE, Configure, configure  # noqa: F401

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "agora_access_token2.json").read_text()
)["vectors"]
GRANT = RtcGrant(APP_ID, "room", "42", 1_800_000_000, 3_600, 7, publisher(3_600))


def _grant_of(vector: dict[str, Any]) -> RtcGrant:
    seconds = vector["expire_seconds"]
    privileges = publisher(seconds) if vector["is_publisher"] else {Privilege.JOIN_CHANNEL: seconds}
    return RtcGrant(
        vector["app_id"],
        vector["channel_name"],
        account_of(vector["uid"]),
        vector["issued_at"],
        seconds,
        vector["salt"],
        privileges,
    )


@pytest.mark.parametrize("vector", VECTORS)
def test_a_built_token_holds_the_vendors_bytes(vector: dict[str, Any]) -> None:
    """Compared inside the compression: the vendor's runtime has a zlib that packs the same bytes differently."""
    token = build_token(_grant_of(vector), vector["certificate"])
    assert token_content(token) == token_content(vector["token"])


@pytest.mark.parametrize("vector", VECTORS)
def test_a_vendors_token_reads_back_as_its_grant(vector: dict[str, Any]) -> None:
    assert verify_token(vector["token"], vector["certificate"], vector["issued_at"]) == _grant_of(vector)


def test_a_token_holds_until_its_last_second_and_no_longer() -> None:
    token = build_token(GRANT, CERTIFICATE)
    assert verify_token(token, CERTIFICATE, GRANT.issued_at + 3_599) == GRANT
    with pytest.raises(TokenRefusedError):
        verify_token(token, CERTIFICATE, GRANT.issued_at + 3_600)


def test_another_certificate_does_not_verify() -> None:
    with pytest.raises(TokenRefusedError):
        verify_token(build_token(GRANT, CERTIFICATE), APP_ID, GRANT.issued_at)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_is_accepted(place: int, bit: int) -> None:
    content = bytearray(token_content(build_token(GRANT, CERTIFICATE)))
    content[place % len(content)] ^= 1 << bit
    forged = "007" + base64.b64encode(zlib.compress(bytes(content))).decode()
    with pytest.raises(TokenRefusedError):
        verify_token(forged, CERTIFICATE, GRANT.issued_at)


@given(junk=st.one_of(st.text(), st.text(alphabet="ABCDabcd0123+/=").map(lambda text: "007" + text)))
def test_junk_is_refused_and_never_unhandled(junk: str) -> None:
    with pytest.raises(TokenRefusedError):
        read_token(junk)


@given(content=st.binary(max_size=300))
def test_junk_behind_valid_compression_is_refused(content: bytes) -> None:
    with pytest.raises(TokenRefusedError):
        read_token("007" + base64.b64encode(zlib.compress(content)).decode())


def test_a_token_that_unpacks_to_megabytes_is_refused() -> None:
    bomb = "007" + base64.b64encode(zlib.compress(b"\0" * 1_000_000)).decode()
    with pytest.raises(TokenRefusedError):
        token_content(bomb)


@pytest.mark.parametrize(("app_id", "certificate"), [("short", CERTIFICATE), (APP_ID, ""), (APP_ID, "x" * 32)])
def test_ids_that_are_not_hexadecimal_are_refused(app_id: str, certificate: str) -> None:
    grant = RtcGrant(app_id, "room", "42", 1, 1, 1, publisher(1))
    with pytest.raises(TokenRefusedError):
        build_token(grant, certificate)


def _settings(configure: Configure, **fields: Any) -> Any:  # noqa: F811
    from django.conf import settings  # noqa: PLC0415

    configure(**fields)
    return settings.NOVA


def test_a_users_token_publishes_for_one_hour(configure: Configure) -> None:  # noqa: F811
    settings = _settings(configure, agora_app_id=APP_ID, agora_app_certificate=CERTIFICATE)
    token = rtc_token(settings, "room", 4_294_967_295)
    assert token is not None
    grant = read_token(token)
    assert (grant.channel_name, grant.account) == ("room", "4294967295")
    assert grant.expire_seconds == 3_600
    assert grant.privileges == dict.fromkeys(Privilege, 3_600)
    assert verify_token(token, CERTIFICATE, grant.issued_at) == grant


def test_the_older_form_is_made_on_request(configure: Configure) -> None:  # noqa: F811
    settings = _settings(configure, agora_app_id=APP_ID, agora_app_certificate=CERTIFICATE, agora_token_version="006")
    token = rtc_token(settings, "room", 42)
    assert token is not None
    assert token.startswith("006" + APP_ID)
    parsed = AccessToken()
    assert parsed.fromString(token)
    assert sorted(parsed.messages) == [1, 2, 3, 4]
    assert len(set(parsed.messages.values())) == 1


def test_without_an_app_there_is_no_token(configure: Configure) -> None:  # noqa: F811
    assert rtc_token(_settings(configure, agora_app_id=None), "room", 42) is None


def test_without_a_certificate_a_token_is_refused(configure: Configure) -> None:  # noqa: F811
    settings = _settings(configure, agora_app_id=APP_ID, agora_app_certificate=None)
    with pytest.raises(TokenRefusedError, match="AGORA_APP_CERTIFICATE"):
        rtc_token(settings, "room", 42)


def test_without_a_certificate_the_app_id_serves_where_that_is_allowed(configure: Configure) -> None:  # noqa: F811
    settings = _settings(configure, agora_app_id=APP_ID, agora_app_certificate=None, agora_allow_no_certificate=True)
    assert rtc_token(settings, "room", 42) == APP_ID


def test_no_token_admits_everybody(configure: Configure) -> None:  # noqa: F811
    settings = _settings(configure, agora_app_id=APP_ID, agora_app_certificate=CERTIFICATE)
    with pytest.raises(TokenRefusedError):
        rtc_token(settings, "room", 0)
