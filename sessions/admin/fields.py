"""Form fields of the admin's pages."""

from collections.abc import Iterable
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget


def many_choices(choices: Iterable[tuple[Any, Any]], help_text: str) -> forms.MultipleChoiceField:
    """Boxes to be ticked; the value is a list, as JSON keeps it."""
    widget = UnfoldAdminCheckboxSelectMultipleWidget()
    return forms.MultipleChoiceField(choices=list(choices), widget=widget, help_text=help_text)


class JsonWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # unfold ships no types
    """Room for a structure, in letters of one width."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs={"rows": 18, "spellcheck": "false", "class": "nova-json", **(attrs or {})})
