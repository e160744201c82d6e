"""Graphs: what their files say, and what an operator sets on top; checked against the graph before it is kept."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from sessions.admin.announcing import tell_tables_changed
from sessions.admin.audit import note
from sessions.admin.basics import badge, moment
from sessions.admin.fields import JsonWidget
from sessions.configured import web_settings
from sessions.graphs.graph import Graph
from sessions.graphs.library import DEFAULT_GRAPH, file_graphs
from sessions.operator_models import GraphSetting
from workers.errors import BadInputError

HELP = GraphSetting._meta.get_field("properties").help_text


def file_graph(name: str) -> Graph | None:
    return next((graph for graph in file_graphs() if graph.name == name), None)


class GraphForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when Django runs
    properties = forms.JSONField(
        required=False, widget=JsonWidget, help_text=GraphSetting._meta.get_field("properties").help_text
    )

    class Meta:
        model = GraphSetting
        fields = ("is_enabled", "properties")

    def clean_properties(self) -> dict[str, Any]:
        properties = self.cleaned_data["properties"] or {}
        if not isinstance(properties, dict):
            raise ValidationError('must be an object of nodes, as {"llm": {"prompt": "..."}}')
        graph = file_graph(self.instance.graph_name)
        if graph is None:
            raise ValidationError("the file of this graph is gone")
        try:
            graph.with_operator_properties(properties).session_config({}, web_settings())
        except BadInputError as error:
            raise ValidationError(error.text) from error
        return properties

    def clean_is_enabled(self) -> bool:
        is_enabled = bool(self.cleaned_data["is_enabled"])
        if not is_enabled and self.instance.graph_name == DEFAULT_GRAPH:
            raise ValidationError("standard clients name no graph and get this one; it stays enabled")
        return is_enabled


class GraphPages(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    form = GraphForm
    list_display = ("graph_name", "shown_state", "shown_description", "shown_change")
    search_fields = ("graph_name",)
    fieldsets = (
        (None, {"fields": ("is_enabled", "properties")}),
        ("In force", {"fields": ("effective", "from_file")}),
    )
    readonly_fields = ("effective", "from_file")
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A graph begins as a file."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: GraphSetting, form: Any, change: bool) -> None:
        before = GraphSetting.objects.get(pk=obj.pk)
        note(
            request,
            "graph.change",
            "graph",
            obj.graph_name,
            before={"is_enabled": before.is_enabled, "properties": before.properties},
            after={"is_enabled": obj.is_enabled, "properties": obj.properties},
        )
        obj.changed_at = timezone.now()
        obj.changed_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        tell_tables_changed(request)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit log has it already."""

    @admin.display(description="State")
    def shown_state(self, setting: GraphSetting) -> SafeString:
        if file_graph(setting.graph_name) is None:
            return badge("its file is gone", "bad")
        if not setting.is_enabled:
            return badge("disabled", "warning")
        return badge("changed here", "good") if setting.properties else badge("as in its file", "quiet")

    @admin.display(description="Description")
    def shown_description(self, setting: GraphSetting) -> str:
        graph = file_graph(setting.graph_name)
        return graph.description if graph is not None else ""

    @admin.display(description="Last change")
    def shown_change(self, setting: GraphSetting) -> str:
        return f"{moment(setting.changed_at)} {setting.changed_by}".strip()

    @admin.display(description="Nodes with these properties")
    def effective(self, setting: GraphSetting) -> SafeString:
        graph = file_graph(setting.graph_name)
        if graph is None:
            return _shown("")
        try:
            return _written(graph.with_operator_properties(setting.properties or {}))
        except BadInputError as error:
            return _shown(f"the properties do not fit: {error.text}")

    @admin.display(description="Nodes in the file")
    def from_file(self, setting: GraphSetting) -> SafeString:
        graph = file_graph(setting.graph_name)
        return _written(graph) if graph is not None else _shown("")


def _shown(text: str) -> SafeString:
    return format_html('<pre class="nova-pre nova-mono">{}</pre>', text)


def _written(graph: Graph) -> SafeString:
    nodes = graph.nodes.model_dump(by_alias=True, exclude_unset=True, mode="json")
    return _shown(json.dumps(nodes, ensure_ascii=False, indent=2))
