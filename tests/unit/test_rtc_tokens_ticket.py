"""The client secret of our own websocket: bound, signed, short-lived."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from sessions.rtc_tokens.errors import TicketExpiredError, TicketForgedError
from sessions.rtc_tokens.session_wishes import keep_wishes, read_wishes
from sessions.rtc_tokens.socket_ticket import Ticket, issue_ticket, read_ticket
from tests.unit.web_site import Configure, configure  # noqa: F401


def test_a_ticket_reads_back_as_channel_and_owner() -> None:
    secret, expires_at = issue_ticket("room", "key:abc")
    assert secret.startswith("ek_")
    assert read_ticket(secret) == Ticket("room", "key:abc", expires_at)


def test_a_ticket_lives_ten_minutes_at_most() -> None:
    before = int(time.time())
    _, expires_at = issue_ticket("room", "open", life_seconds=7_200)
    assert 600 <= expires_at - before <= 602


def test_a_ticket_may_be_used_again_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    secret, expires_at = issue_ticket("room", "open")
    monkeypatch.setattr("sessions.rtc_tokens.socket_ticket.time.time", lambda: expires_at - 1)
    assert read_ticket(secret) == read_ticket(secret)
    monkeypatch.setattr("sessions.rtc_tokens.socket_ticket.time.time", lambda: expires_at)
    with pytest.raises(TicketExpiredError):
        read_ticket(secret)


def test_a_secret_is_a_valid_subprotocol_name() -> None:
    secret, _ = issue_ticket("x" * 64, "key:" + "f" * 40, wishes_id="w" * 22, starts_itself=True)
    assert set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert len(secret) < 512


@given(place=st.integers(0, 10_000), letter=st.sampled_from("ABab01_-.é"))
def test_no_changed_letter_is_accepted(place: int, letter: str) -> None:
    secret, _ = issue_ticket("room", "open")
    place %= len(secret)
    changed = secret[:place] + letter + secret[place + 1 :]
    # The last letter of unpadded base64 carries bits that mean nothing, but the signature is compared as text.
    if changed != secret:
        with pytest.raises(TicketForgedError):
            read_ticket(changed)


@pytest.mark.parametrize("secret", ["", "ek_", "ek_.", "ek_a.b", "sk-abc", "ek_" + "a" * 5_000, "ek_\ud800.a"])
def test_what_was_not_made_here_is_forged(secret: str) -> None:
    with pytest.raises(TicketForgedError):
        read_ticket(secret)


def test_another_sites_key_makes_no_ticket_of_ours(settings: Settings) -> None:
    settings.SECRET_KEY = "another-key-another-key-another-key-another-key-00"
    secret, _ = issue_ticket("room", "open")
    settings.SECRET_KEY = "our-own-key-our-own-key-our-own-key-our-own-key-00"
    with pytest.raises(TicketForgedError):
        read_ticket(secret)


def test_a_ticket_outlives_the_rotation_of_the_key(settings: Settings) -> None:
    old = "old-key-old-key-old-key-old-key-old-key-old-key-00"
    settings.SECRET_KEY = old
    secret, _ = issue_ticket("room", "open")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-key-" * 7, [old]
    assert read_ticket(secret).channel == "room"


def test_the_wishes_of_a_secret_wait_for_its_socket(configure: Configure) -> None:  # noqa: F811
    wishes: dict[str, Any] = {"type": "realtime", "instructions": "Answer briefly."}
    wishes_id = keep_wishes(wishes, 600)
    assert read_wishes(wishes_id) == wishes
    assert read_wishes("") is None
