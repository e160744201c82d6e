"""Owns the `static` tag of the page under test; no storage of static files is needed."""

from __future__ import annotations

from django import template

register = template.Library()

STATIC_PATH = "/static/"


@register.simple_tag
def static(path: str) -> str:
    return f"{STATIC_PATH}{path}"
