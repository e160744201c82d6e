#!/usr/bin/env python
"""Django's command line for this site."""

import os
import sys

from django.core.management import execute_from_command_line

from nova_site.env import asks_for_help, environment
from sessions.management.listening import check_free
from workers.errors import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nova_site.settings")
    if sys.argv[1:2] == ["run_local"] and not asks_for_help():
        # Here, because Django's own start alone takes seconds.
        check_free(environment().host, environment().port)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as error:
        sys.exit(f"cannot start: {error.text}")
    except KeyboardInterrupt:
        sys.exit(130)
