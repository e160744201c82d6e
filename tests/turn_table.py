"""`python -m tests.turn_table > docs/turn_taking.md`: the page of turn taking, made from the engine's table and policies."""

import inspect
from dataclasses import fields
from typing import get_args

from sessions.live.config import TurnSettings
from sessions.live.turn_taking import ending, interruption, phrases, speculation
from sessions.live.turn_taking.decisions import Decision
from sessions.live.turn_taking.situation import Policy
from sessions.live.turn_taking.transitions import EVENTS, STATES, TRANSITIONS

HEAD = """# Turn taking

Made from the code by `python -m tests.turn_table`; a test compares them. The engine (`sessions/live/turn_taking`) is pure:
(event, time) in, decisions out. An event first becomes part of what is known, then one row of the table is taken, then the
lists of policies are asked in the order of this page. The first policy of a list that has an opinion says *when* its
decision is due; what is due at once is decided at once, the rest is the engine's next deadline. Each decision carries
its reason, and `manage.py replay_turns SESSION` replays the kept log of a session into a fresh engine.

"""

DECIDED = """## What was decided, and why

- **Silence counts from the last voice**, not from when voice activity noticed it; a pause of the speaker's own (exponential
  average, 25 % on top) makes the agent wait longer, at most `slow_end_silence_ms`.
- **One breath.** After final words the turn stays open for `final_silence_ms`: voice within it goes on with the same turn.
  Later voice begins a new turn, but the reply that has not sounded yet is held and then cut off; the history then holds both
  user messages with nothing between them, so that the next reply answers both.
- **A late final amends** the turn that has ended (for 2 s without new voice, Transcribe's P99): its item is corrected, the
  client is told when a word differs, and there is no second reply. With new voice, or later, its further words are a new turn.
- **A stream that broke** repeats what it had not finished; words of a turn that has ended already are known by
  their letters.
- **An interruption** comes by voice, by words, or at the latest when a whole utterance has ended: one Chinese
  character can be "stop". Words that were heard before the reply began do not count against it.
- **A cough** holds the reply at `hold_voice_ms`, and it goes on `hold_ms` after the voice has stopped without words.
- **A backchannel** neither interrupts nor becomes a turn. It is an answer when the agent has asked, when it begins less than
  0.5 s before the agent's end, or when the agent is silent.
- **Echo.** `echo_warm_up_ms` is 0 because `interrupt_voice_ms` outlasts the time in which a browser's echo canceller settles;
  raise it (300 is enough in most rooms) where that threshold is lowered or a loudspeaker stands before an open microphone.
- **A protected reply** is neither held nor interrupted; the recogniser stays alive, and words heard then become the turn
  that is answered next, or are dropped (`keeps_protected_words`).
- **Speculation** begins only while the agent is free, at most {speculations} times a turn; new voice of `hold_voice_ms` or
  other words (case, spaces and punctuation aside) throw it away.
- **turn_detection** of the Realtime protocol: `server_vad` sets the silences (and switches the learning from pauses off, for
  the client has named its number), `semantic_vad` sets the silences by eagerness, `null` is `manual`.

"""

LISTS: tuple[tuple[str, str, tuple[Policy, ...]], ...] = (
    ("Giving a speculation up", "DropSpeculation", speculation.GIVE_UP),
    ("Interruption", "Interrupt", interruption.INTERRUPTION),
    ("Hold", "HoldReply", interruption.HOLD),
    ("Resume", "ResumeReply", interruption.RESUME),
    ("End of turn", "EndTurn, or DropTurn without words", ending.END),
    ("Instead of an end", "DropTurn", ending.DROP),
    ("Speculation", "Speculate", speculation.SPECULATE),
    ("Nobody speaks", "TimeOut", ending.TIME_OUT),
)
LIMITS = (
    "NO_WORDS_MS",
    "NO_WORDS_IN_VOICE_MS",
    "FINAL_IN_VOICE_MS",
    "STALLED_WORDS_MS",
    "COMMIT_WAIT_MS",
    "MAX_TURN_MS",
)


def page() -> str:
    parts = [HEAD, _table(), _policies(), DECIDED.format(speculations=speculation.MAX_SPECULATIONS)]
    return "".join([*parts, _decisions(), _settings(), _words()]).rstrip() + "\n"


def _table() -> str:
    head = f"## States and events\n\n| event | {' | '.join(STATES)} |\n|{'---|' * (len(STATES) + 1)}\n"
    return (
        head
        + "".join(_event_row(event.__name__) for event in EVENTS)
        + "\nAn end that is due is taken after any event.\n\n"
    )


def _event_row(event: str) -> str:
    cells = [
        "; ".join(
            _outcome(row.when, row.to, state)
            for row in TRANSITIONS
            if row.state == state and row.event.__name__ == event
        )
        for state in STATES
    ]
    return f"| {event} | {' | '.join(cells)} |\n"


def _outcome(when: str, to: str, state: str) -> str:
    outcome = "stays" if to == state else f"**{to}**"
    return outcome if when == "always" else f"{when}: {outcome}"


def _policies() -> str:
    parts = []
    for title, decision, policies in LISTS:
        rows = "".join(
            f"{n}. `{type(policy).__name__}`: {_doc(type(policy))}\n" for n, policy in enumerate(policies, 1)
        )
        parts.append(f"## {title} ({decision})\n\n{rows}\n")
    limits = "".join(f"- `{name}` {getattr(ending, name):,}\n" for name in LIMITS)
    return "".join([*parts, f"Limits, in milliseconds:\n\n{limits}\n"])


def _decisions() -> str:
    rows = "".join(f"| `{kind.__name__}` | {_fields(kind)} | {_doc(kind)} |\n" for kind in get_args(Decision))
    return f"## Decisions\n\n| decision | carries | meaning |\n|---|---|---|\n{rows}\n"


def _settings() -> str:
    rows = "".join(f"| `{field.name}` | `{field.default}` |\n" for field in fields(TurnSettings))
    return f"## Settings (`turns` of a graph)\n\n{_doc(TurnSettings)}\n\n| setting | default |\n|---|---|\n{rows}\n"


def _words() -> str:
    return f"## Backchannels known\n\n{', '.join(phrases.BACKCHANNELS)}\n"


def _fields(kind: type[Decision]) -> str:
    return ", ".join(f"`{field.name}`" for field in fields(kind))


def _doc(kind: type) -> str:
    text = inspect.getdoc(kind) or ""
    return "" if text.startswith(f"{kind.__name__}(") else " ".join(text.split())


if __name__ == "__main__":
    print(page(), end="")
