"""Whether a port is free to listen on; imports next to nothing, so that it can be asked before all other work."""

import socket

from workers.errors import ConfigurationError


def check_free(host: str, port: int) -> None:
    """Raises ConfigurationError that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port} ({error.strerror}); stop what uses it, or set PORT to another port"
            ) from error
