"""Agora's older AccessToken (prefix 006): a thin adapter of the package that makes it."""

from agora_token_builder import RtcTokenBuilder

PUBLISHER_ROLE = 1


def build_token(app_id: str, certificate: str, channel_name: str, uid: int, expires_at: int) -> str:
    """`expires_at` is in seconds since 1970; a uid of 0 stands for every user."""
    token: str = RtcTokenBuilder.buildTokenWithUid(app_id, certificate, channel_name, uid, PUBLISHER_ROLE, expires_at)
    return token
