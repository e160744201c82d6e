#!/usr/bin/env python
"""Django's command line for this site."""

import os
import sys

from django.core.management import execute_from_command_line

from workers.errors import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nova_site.settings")
    if sys.argv[1:2] == ["run_local"]:
        _check_port()
    execute_from_command_line(sys.argv)


def _check_port() -> None:
    """Here, because Django's own start alone takes seconds."""
    # Whoever loads the site reads its settings, and a wrong one is to be told below.
    from nova_site.env import asks_for_help, environment  # noqa: PLC0415
    from sessions.management.listening import check_free  # noqa: PLC0415

    if not asks_for_help():
        check_free(environment().host, environment().port)


if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"cannot start: {error.text}")
    except KeyboardInterrupt:
        sys.exit(130)
