"""The three tasks and nothing else. Arguments are ids; what they stand for is loaded from Redis."""

from celery import shared_task

from workers.runtime import current_work
from workers.streams.keys import FRAME_LIMIT_SECONDS


@shared_task(name="workers.compress_frame", queue="vision", time_limit=FRAME_LIMIT_SECONDS)  # type: ignore[untyped-decorator,call-overload,unused-ignore]
def compress_frame(frame_id: str) -> None:
    current_work().compress_frame(frame_id)


@shared_task(name="workers.generate_reply", queue="reply")  # type: ignore[untyped-decorator,unused-ignore]
def generate_reply(reply_id: str) -> None:
    current_work().generate_reply(reply_id)


@shared_task(name="workers.synthesize_speech", queue="speech")  # type: ignore[untyped-decorator,unused-ignore]
def synthesize_speech(reply_id: str, sentence_index: int) -> None:
    current_work().synthesize_speech(reply_id, sentence_index)
