"""What can be wrong with a ticket or a token; every text here may be shown to the client."""

from workers.errors import NovaError


class TicketError(NovaError):
    """The client must ask for a new ticket."""

    code = "ticket_refused"


class TicketExpiredError(TicketError):
    code = "ticket_expired"


class TicketForgedError(TicketError):
    code = "ticket_forged"


class TokenRefusedError(NovaError):
    """An RTC token that we will not make, or one made by somebody else that does not hold."""

    code = "token_refused"
