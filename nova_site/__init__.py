"""Wiring of the whole site; loading it makes the Celery application the current one."""

from nova_site.celery import app as celery_app

__all__ = ["celery_app"]
