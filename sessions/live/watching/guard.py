"""The rules of watch mode: when the agent looks by itself, and which answers are worth an alert. Pure, time as an argument."""

import re
from dataclasses import dataclass, field

from sessions.live.config import WatchSettings

SAME_WORDS_SHARE = 0.5
"""So many words in common make two answers the same report in other words."""
REPORTS_KEPT = 5
SCENES_KEPT = 2
"""The one in view and the one before, of which an answer may still come."""
_NOTHING = re.compile(r"^\W*(nothing|none)\b|^\W*(没有|无)\W*$", re.IGNORECASE)
_SAME = re.compile(r"^\W*(same|no change)\b|^\W*(相同|没有变化)\W*$", re.IGNORECASE)


@dataclass(slots=True)
class Guard:
    """One per session in watch mode. One look at a time; what was reported of a scene is not reported of it again."""

    settings: WatchSettings
    _scene: int = 0
    _reports: dict[int, list[str]] = field(default_factory=lambda: {0: []})
    _looked_at_ms: float | None = None
    _looked_view: str = ""
    _looked_scene: int = 0
    _is_looking: bool = False

    @property
    def reported(self) -> tuple[str, ...]:
        """Of the scene in view."""
        return tuple(self._reports[self._scene])

    def wants_look(self, view: str, now_ms: float) -> bool:
        """`view` names what is to be seen: the same name, the same pictures; empty when there are none."""
        if self._is_looking or not view:
            return False
        if self.settings.on_change and view == self._looked_view:
            return False
        return self._looked_at_ms is None or now_ms - self._looked_at_ms >= self.settings.interval_ms

    def looked(self, view: str, now_ms: float) -> None:
        self._is_looking, self._looked_at_ms = True, now_ms
        self._looked_view, self._looked_scene = view, self._scene

    def scene_changed(self) -> None:
        """Another place or another view: nothing has been reported of this one yet."""
        self._scene += 1
        self._reports[self._scene] = []
        while len(self._reports) > SCENES_KEPT:
            del self._reports[min(self._reports)]

    def answered(self, text: str) -> str | None:
        """The sentence to report, or None: nothing to see, nothing new, or the same again."""
        self._is_looking = False
        reports = self._reports.setdefault(self._looked_scene, [])
        if not text.strip() or _SAME.match(text):
            return None
        if _NOTHING.match(text):
            reports.clear()
            return None
        if any(_is_same(text, before) for before in reports):
            return None
        reports.append(text)
        del reports[:-REPORTS_KEPT]
        return text

    def failed(self) -> None:
        """No answer came: the same view may be looked at again when its time has come."""
        self._is_looking, self._looked_view = False, ""


def _is_same(text: str, before: str) -> bool:
    new, old = _words(text), _words(before)
    return len(new & old) >= SAME_WORDS_SHARE * min(len(new), len(old))


def _words(text: str) -> set[str]:
    """Words of spaced writing; of Chinese each character stands for one."""
    return set(re.findall(r"[a-z0-9']+|[^\x00-\x7f]", text.lower()))
