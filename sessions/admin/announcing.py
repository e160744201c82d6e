"""Tells every web process that operators have changed something that it keeps in memory."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest

from sessions.operator_tables import TABLES_SECONDS
from sessions.redis_clients import publish_control
from workers.errors import StreamsUnavailableError
from workers.streams.messages import OperatorTablesChanged


def tell_tables_changed(request: HttpRequest) -> None:
    """After the commit, or they would read what was before. Without Redis they notice by themselves, a little later."""

    def tell() -> None:
        try:
            publish_control(OperatorTablesChanged())
        except StreamsUnavailableError:
            messages.info(request, f"Redis cannot be reached: this counts within {TABLES_SECONDS:.0f} seconds.")

    transaction.on_commit(tell)
