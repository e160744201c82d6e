"""The list of turns, where slow and failed ones are found, and the page that says why."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions.admin.audit import note
from sessions.admin.basics import ReadOnlyPage, badge, moment, require
from sessions.admin.filters import GraphFilter, SlowFilter, StartedFilter, StatusFilter
from sessions.admin.session_actions import page_of
from sessions.admin.story import SLOW_MS, decisions_of, told
from sessions.models import Event, Turn

EVENTS_SHOWN = 100
TONES = {"completed": "good", "interrupted": "warning", "incomplete": "warning", "failed": "bad"}


class TurnPages(ReadOnlyPage):
    """The list shows figures alone; words stand on a turn's own page."""

    list_display = ("shown_time", "shown_session", "graph_name", "shown_delay", "shown_status", "error_code")
    list_display_links = None
    list_filter = (SlowFilter, StatusFilter, GraphFilter, StartedFilter)
    search_fields = ("turn_id", "reply_id", "session__id", "session__channel_name")
    search_help_text = "turn, reply or session id, or channel"
    ordering = ("-ended_at",)
    list_fullwidth = True

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Turn]":
        listed = Turn.objects.select_related("session")
        return listed.only(
            "id",
            "turn_id",
            "ended_at",
            "started_at",
            "graph_name",
            "first_audio_ms",
            "status",
            "error_code",
            "session__channel_name",
        )

    @admin.display(description="Ended", ordering="ended_at")
    def shown_time(self, turn: Turn) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:nova_sessions_turn_change", args=[turn.pk]),
            moment(turn.ended_at or turn.started_at),
        )

    @admin.display(description="Session")
    def shown_session(self, turn: Turn) -> SafeString:
        return format_html('<a href="{}">{}</a>', page_of(turn.session), turn.session.channel_name)

    @admin.display(description="First sound", ordering="first_audio_ms")
    def shown_delay(self, turn: Turn) -> SafeString:
        if turn.first_audio_ms is None:
            return badge("none", "quiet")
        return badge(f"{turn.first_audio_ms:.0f} ms", "bad" if turn.first_audio_ms >= SLOW_MS else "good")

    @admin.display(description="Status", ordering="status")
    def shown_status(self, turn: Turn) -> SafeString:
        return badge(turn.status or "unknown", TONES.get(turn.status, "quiet"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        require(request, "view_turn")
        require(request, "view_transcripts")
        turn = get_object_or_404(Turn.objects.select_related("session"), pk=_number(object_id))
        note(request, "turn.read", "session", turn.session_id, turn_id=turn.turn_id)
        events = Event.objects.filter(session_id=turn.session_id, reply_id=turn.reply_id) if turn.reply_id else ()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Turn of {turn.session.channel_name}",
            "opts": self.opts,
            "told": told([turn])[0],
            "events": list(events[:EVENTS_SHOWN]),
            "decisions": decisions_of(turn),
            "session_page": page_of(turn.session),
            "transcript": reverse("admin:session_transcript", args=[turn.session_id]),
            "delays": sorted(turn.delays.items(), key=lambda item: str(item[0])),
        }
        return TemplateResponse(request, "nova_admin/turn.html", context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return self.change_view(request, object_id)


def _number(object_id: str) -> int:
    """A key that is no number is no turn's."""
    return int(object_id) if object_id.isdecimal() and len(object_id) < 19 else -1
