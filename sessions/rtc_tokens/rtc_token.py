"""Which token a user gets for the RTC network: decided by the settings; none without an Agora app."""

import secrets
import time

from sessions.rtc_tokens import access_token1, access_token2
from sessions.rtc_tokens.access_token2 import RtcGrant, account_of, publisher
from sessions.rtc_tokens.errors import TokenRefusedError
from sessions.settings import WebSettings

RTC_TOKEN_SECONDS = 3_600
OLD_VERSION = "006"
MAX_SALT = 99_999_999


def rtc_token(settings: WebSettings, channel_name: str, uid: int) -> str | None:
    """A publisher's token for one hour. Raises TokenRefusedError for uid 0, which would admit everybody.

    Without a certificate the app id itself is the token, and only where that was allowed for development.
    """
    if settings.agora_app_id is None:
        return None
    if settings.agora_app_certificate is None:
        return _token_without_certificate(settings, settings.agora_app_id)
    if uid == 0:
        raise TokenRefusedError("no token is made for uid 0")
    issued_at = int(time.time())
    if settings.agora_token_version == OLD_VERSION:
        return access_token1.build_token(
            settings.agora_app_id,
            settings.agora_app_certificate,
            channel_name,
            uid,
            issued_at + RTC_TOKEN_SECONDS,
        )
    grant = RtcGrant(
        app_id=settings.agora_app_id,
        channel_name=channel_name,
        account=account_of(uid),
        issued_at=issued_at,
        expire_seconds=RTC_TOKEN_SECONDS,
        salt=secrets.randbelow(MAX_SALT) + 1,
        privileges=publisher(RTC_TOKEN_SECONDS),
    )
    return access_token2.build_token(grant, settings.agora_app_certificate)


def _token_without_certificate(settings: WebSettings, app_id: str) -> str:
    if settings.agora_allow_no_certificate:
        return app_id
    raise TokenRefusedError("AGORA_APP_CERTIFICATE is not set, so no RTC token can be made")
