"""Django's settings for tests that run inside pytest: the site's own, in open mode, on a throw-away database."""

import os

os.environ.setdefault("NOVA_AUTH", "open")
os.environ.setdefault("NOVA_PROVIDERS", "local")
os.environ.setdefault("NOVA_METRICS_PORT", "0")
os.environ.setdefault("DATABASE_URL", "sqlite:///.run/test.sqlite3")
os.environ.setdefault("DJANGO_SECRET_KEY", "tests-only-tests-only-tests-only-tests-only-00")

from nova_site.settings import *  # noqa: F403
