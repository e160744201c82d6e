"""What one reply has asked of the workers: the id of each attempt, which tasks are awaited, and calling all of it off."""

from collections.abc import Callable

from sessions.live.reply_plan import ReplyPlan
from sessions.live.spoken_text import SpokenSentence
from sessions.live.task_watch import TaskWatch
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError
from workers.streams.messages import (
    Address,
    InterruptEntry,
    OutputEntry,
    SpeechFinished,
    SpeechMade,
    SpeechRequest,
    TaskBeat,
    WordMarks,
    WorkFailed,
)

REPLY_TASK = -1
OPENING = 0
"""The first sentence: the reply's worker hands it to a speech task that is published as soon as the reply runs."""

TaskFailed = Callable[[int, NovaError], None]


class ReplyWork:
    """Each attempt has its own id on the streams, so that cancelling one does not cancel the next."""

    def __init__(
        self, plan: ReplyPlan, desk: WorkDesk, now_ms: Callable[[], float], on_unpublished: TaskFailed
    ) -> None:
        self._plan = plan
        self._desk = desk
        self._now_ms = now_ms
        self._on_unpublished = on_unpublished
        self._watch = TaskWatch()
        self._used_ids: set[str] = set()
        self._current_ids: dict[int, str] = {}
        self._opening_id: str | None = None
        self._is_opening_published = False
        self._taken_up_as = ""
        self.reply_attempt = 0

    def take_up(self, attempt: int, mark: str, *, is_written: bool) -> None:
        """Go on where another process stopped. Speech is asked for anew, under ids with `mark` in them."""
        self.reply_attempt, self._taken_up_as = attempt, mark
        self._is_opening_published = True
        if not is_written and not self._plan.is_fixed:
            self._begin(REPLY_TASK, f"{self._plan.reply_id}.{attempt}", attempt)

    # --- asking -----------------------------------------------------------------------------------------------------

    def ask_for_reply(self) -> None:
        work_id = f"{self._plan.reply_id}.{self.reply_attempt}"
        is_prepared = self.reply_attempt == 0 and self._plan.is_prepared
        self._begin(REPLY_TASK, work_id, self.reply_attempt)
        self._opening_id = work_id if self._plan.is_audio else None
        self._is_opening_published = False
        request = self._plan.request(self._address(work_id))
        self._desk.request_reply(request, self._plan.words, self._unpublished(REPLY_TASK), is_prepared)

    def ask_for_speech(self, sentence: SpokenSentence) -> None:
        if sentence.index == OPENING and sentence.attempt == 0 and self._opening_id is not None:
            self._prepare_opening(self._opening_id)
            self._begin(OPENING, self._opening_id, 0)
            return
        work_id = f"{self._plan.reply_id}.{self.reply_attempt}"
        if sentence.attempt or sentence.is_phrase or self._taken_up_as:
            work_id += f".{sentence.index}.{sentence.attempt}{self._taken_up_as}"
        self._begin(sentence.index, work_id, sentence.attempt)
        plan, address = self._plan, self._address(work_id)
        request = SpeechRequest(address, sentence.index, sentence.text, plan.voice, plan.is_fixed or sentence.is_phrase)
        self._desk.request_speech(request, self._unpublished(sentence.index))

    def forget_reply(self) -> None:
        """The reply's own task is given up; what is spoken from now on is not the model's."""
        self.call_off()
        self._watch = TaskWatch()
        self._current_ids.clear()
        self._opening_id = None

    def ask_for_reply_again(self) -> None:
        self.call_off()
        self.reply_attempt += 1
        self.ask_for_reply()

    def call_off(self) -> None:
        for work_id in sorted(self._used_ids):
            self._desk.interrupt(InterruptEntry(self._plan.session_id, self._plan.generation, work_id))

    # --- waiting ----------------------------------------------------------------------------------------------------

    def owns(self, entry: OutputEntry) -> bool:
        """Only the newest attempt of each task counts: a late entry of one given up is nobody's."""
        task = task_of(entry)
        return self._current_ids.get(task, self._opening_id if task == OPENING else None) == entry.reply_id

    def sign(self, task: int) -> None:
        """A sign of life. The reply's first says that its worker runs, so that a waiting speech task cannot starve it."""
        self._watch.sign(task, self._now_ms())
        if task == REPLY_TASK and self._opening_id is not None:
            self._prepare_opening(self._opening_id)

    def end(self, task: int) -> None:
        self._watch.end(task)

    def lost(self) -> list[int]:
        return self._watch.lost(self._now_ms())

    # --- inside -----------------------------------------------------------------------------------------------------

    def _prepare_opening(self, work_id: str) -> None:
        if not self._is_opening_published:
            self._is_opening_published = True
            self._desk.prepare_speech(work_id, self._unpublished(OPENING))

    def _begin(self, task: int, work_id: str, attempt: int) -> None:
        self._used_ids.add(work_id)
        self._current_ids[task] = work_id
        self._watch.begin(task, self._now_ms(), attempt)

    def _address(self, work_id: str) -> Address:
        plan = self._plan
        return Address(plan.session_id, plan.generation, work_id, self._desk.output_stream, plan.turn_id)

    def _unpublished(self, task: int) -> Callable[[NovaError], None]:
        return lambda error: self._on_unpublished(task, error)


def task_of(entry: OutputEntry) -> int:
    """The sentence whose speech an entry is about, or the reply's own task."""
    if isinstance(entry, SpeechMade | SpeechFinished | WordMarks | TaskBeat | WorkFailed):
        return entry.sentence_index
    return REPLY_TASK
