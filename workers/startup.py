"""Start of a worker process: builds the work of its queues and refuses a pool that cannot do it."""

from typing import Any

import gevent
import gevent.monkey
import structlog
from kombu.exceptions import OperationalError

from workers.beats import Beats
from workers.cancellation import Cancellations
from workers.errors import ConfigurationError
from workers.language_model.contract import LanguageModel
from workers.loop_lag import watch_loop
from workers.lost_frames import LostFrames
from workers.opening_speech import Meetings
from workers.plugins import load_object, load_provider
from workers.rehearsal import Rehearsal
from workers.runtime import install_work
from workers.settings import WorkerSettings
from workers.socket_look import look_without_waiting
from workers.stopping import Stopping
from workers.streams import keys
from workers.streams.handover import Handover
from workers.streams.messages import InterruptEntry
from workers.streams.output_writer import OutputWriter
from workers.streams.redis_clients import blocking_client, command_client, waiting_client
from workers.streams.words_reader import WordsReader
from workers.task_meter import measure_tasks
from workers.tasks import generate_reply
from workers.text_to_speech.contract import TextToSpeech
from workers.transcript_table import TranscriptTable
from workers.work import SeeingWork, TalkingWork

logger = structlog.get_logger(__name__)
_stoppings: list[Stopping] = []
TALKING_QUEUES = frozenset({"reply", "speech"})
_lost_frames: list[LostFrames] = []


def check_pool(queues: frozenset[str]) -> None:
    """Replies and speech need sockets that gevent has patched; unpatched ones would block every task, silently."""
    is_patched = gevent.monkey.is_module_patched("socket")
    if queues & TALKING_QUEUES and not is_patched:
        raise ConfigurationError(
            "a worker of the reply or speech queue needs the gevent pool: "
            "celery -A nova_site worker --pool gevent --queues reply,speech"
        )
    if "vision" in queues and is_patched:
        raise ConfigurationError(
            "a worker of the vision queue needs the prefork pool: celery -A nova_site worker --pool prefork --queues vision"
        )


def start_parent(queues: frozenset[str], settings: WorkerSettings) -> None:
    """In the worker's first process, before it takes tasks. Raises ConfigurationError for a wrong pool or provider."""
    check_pool(queues)
    if queues & TALKING_QUEUES:
        start_talking(settings)
    if "vision" in queues:
        watch_for_lost_frames(settings)


def start_talking(settings: WorkerSettings) -> None:
    """Build providers and start the process's two greenlets: the words reader and the beats."""
    client = command_client(settings.redis_url, max_connections=settings.max_concurrent_streams + 8)
    writer = OutputWriter(client)
    cancellations, transcripts, beats = Cancellations(), TranscriptTable(), Beats(writer)

    def on_interrupt(entry: InterruptEntry) -> None:
        cancellations.cancel(entry.reply_id)

    reader = WordsReader(blocking_client(settings.redis_url), transcripts.apply, on_interrupt)
    waiting = waiting_client(settings.redis_url, max_connections=settings.max_concurrent_streams * 2 + 8)
    stopping = Stopping(cancellations, settings.stop_seconds)
    _stoppings[:] = [stopping]
    model = load_provider(settings.language_model, LanguageModel, settings)
    speech = load_provider(settings.text_to_speech, TextToSpeech, settings)
    work = TalkingWork(
        client=client,
        handover=Handover(waiting),
        meetings=Meetings(),
        writer=writer,
        cancellations=cancellations,
        transcripts=transcripts,
        beats=beats,
        stopping=stopping,
        hand_back=_hand_back,
        model=model,
        speech=speech,
        model_rehearsal=Rehearsal(model),
        speech_rehearsal=Rehearsal(speech),
        run_tool=load_object("workers.tools.catalog.run_tool"),
        has_word_marks=settings.has_word_marks,
    )
    gevent.spawn(reader.run)
    gevent.spawn(beats.run)
    gevent.spawn(watch_loop)
    measure_tasks()
    look_without_waiting()
    install_work(work)
    logger.info("worker_ready", work="talking", model=settings.language_model, speech=settings.text_to_speech)


def begin_to_stop() -> None:
    """In the worker's first process, when it was told to stop."""
    for stopping in _stoppings:
        stopping.begin()


def _hand_back(reply_id: str) -> None:
    task: Any = generate_reply
    try:
        task.apply_async(
            (reply_id,), retry=False, expires=keys.TASK_EXPIRES_SECONDS, ignore_result=True, argsrepr="", kwargsrepr=""
        )
    except (OperationalError, OSError) as error:
        logger.warning("reply_not_handed_back", reply_id=reply_id, error=type(error).__name__)


def start_seeing(settings: WorkerSettings) -> None:
    measure_tasks()
    client = command_client(settings.redis_url, max_connections=4)
    eye = load_object("workers.seeing.Eye")(client)
    install_work(SeeingWork(client=client, writer=OutputWriter(client), eye=eye))
    logger.info("worker_ready", work="seeing")


def watch_for_lost_frames(settings: WorkerSettings) -> None:
    client = command_client(settings.redis_url, max_connections=1)
    _lost_frames[:] = [LostFrames(client, OutputWriter(client))]


def frame_was_lost(frame_id: str, cause: str) -> None:
    """In the first process only; its children do not know of their own death."""
    for lost_frames in _lost_frames:
        lost_frames.report(frame_id, cause)
