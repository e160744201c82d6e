"""Ids that clients and logs see: a word that says what it names, and 96 random bits."""

import secrets


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
