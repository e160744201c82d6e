"""When `session.ended` takes its place in a webhook's line: behind the session's last turn, which comes by the outbox."""

from django.db import transaction
from django.utils import timezone

from sessions.models import Session
from sessions.operator_models import DeliveryState, WebhookDelivery
from sessions.records.rows import take_write_lock
from sessions.webhooks.queue import session_ended

AT_ONCE = 1_000
ROUNDS_MAX = 15
"""Of a second each: whoever held the socket and has not told of its end by then is dead."""


class Endings:
    """Called by the record writer in its thread: `look` before the stream is emptied, `tell` after.

    The end of a socket is the last that its process writes of a session, so an end that was there before the stream was
    emptied, and whose socket is closed by the rows, has every turn before it. Rounds and not seconds are counted, because
    records that wait for Redis to come back are on the stream a moment later.
    """

    def __init__(self) -> None:
        self._rounds: dict[int, int] = {}

    def look(self) -> None:
        """Raises DatabaseError."""
        held = WebhookDelivery.objects.filter(state=DeliveryState.HELD).order_by("id")
        self._rounds = {key: self._rounds.get(key, 0) for key in held.values_list("id", flat=True)[:AT_ONCE]}

    def tell(self) -> None:
        """Raises DatabaseError, and what is held is told next time."""
        if not self._rounds:
            return
        self._rounds = {key: rounds + 1 for key, rounds in self._rounds.items()}
        with transaction.atomic():
            take_write_lock()
            held = list(WebhookDelivery.objects.filter(id__in=self._rounds, state=DeliveryState.HELD).order_by("id"))
            sessions = Session.objects.in_bulk({delivery.line for delivery in held})
            for delivery in held:
                session = sessions.get(delivery.line)
                if session is not None and (_is_quiet(session) or self._rounds[delivery.pk] >= ROUNDS_MAX):
                    _put_last(delivery, session)


def _is_quiet(session: Session) -> bool:
    """No socket of it is open: `disconnected_at` is never that of an older one than `connected_at`."""
    if session.connected_at is None:
        return True
    return session.disconnected_at is not None and session.disconnected_at >= session.connected_at


def _put_last(delivery: WebhookDelivery, session: Session) -> None:
    """A line is sent by the order of ids."""
    WebhookDelivery.objects.filter(pk=delivery.pk).delete()
    delivery.pk = None
    delivery.state = DeliveryState.WAITING
    delivery.next_attempt_at = timezone.now()
    delivery.payload = {**delivery.payload, "data": session_ended(session).data}
    delivery.save(force_insert=True)
