"""The first sentence's way to its speech task: by hand in one process, over Redis between two, never lost between them."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from workers.language_model.contract import ModelOptions
from workers.opening_speech import NOTHING, Meeting, Meetings, OpeningSpeech
from workers.streams import keys
from workers.streams.codec import from_json, output_from_fields
from workers.streams.handover import Handover
from workers.streams.messages import Address, ReplyRequest, SentenceWritten, SpeechRequest
from workers.streams.redis_clients import command_client, waiting_client
from workers.text_to_speech.contract import VoiceOptions

REPLY = "reply-1"
STREAM = "nova:output:test"
ADDRESS = Address("session", 1, REPLY, STREAM)
VOICE = VoiceOptions("Ruth", "generative", "en-US")
FIRST = SentenceWritten("session", 1, REPLY, 0, "Here it is.")
WAIT_SECONDS = 5.0


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with command_client(redis_url) as client:
        yield client


@pytest.fixture
def handover(redis_url: str) -> Iterator[Handover]:
    with waiting_client(redis_url, max_connections=4) as client:
        yield Handover(client)


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    with Meetings().opened(REPLY) as meeting:
        yield meeting


def opening(client: "redis.Redis", meeting: Meeting, voice: VoiceOptions | None = VOICE) -> OpeningSpeech:
    request = ReplyRequest(ADDRESS, "", (), ModelOptions("model"), opening_voice=voice)
    return OpeningSpeech(client, request, meeting)


def on_redis(handover: Handover) -> bytes | None:
    return handover.take(keys.speech_request(REPLY, 0), 0.2)


def text_of(request: SpeechRequest | bytes | None) -> str:
    assert request
    return (request if isinstance(request, SpeechRequest) else from_json(SpeechRequest, request)).text


def test_a_task_that_waits_in_the_same_process_is_given_the_sentence_by_hand(
    client: "redis.Redis", handover: Handover, meeting: Meeting
) -> None:
    assert meeting.is_joined()
    opening(client, meeting).write_first(FIRST)
    assert text_of(meeting.wait(0)) == FIRST.text
    assert on_redis(handover) is None


def test_a_task_of_another_process_finds_the_sentence_on_redis(
    client: "redis.Redis", handover: Handover, meeting: Meeting
) -> None:
    opening(client, meeting).write_first(FIRST)
    assert text_of(on_redis(handover)) == FIRST.text


def test_a_task_that_comes_after_the_sentence_looks_on_redis(client: "redis.Redis", meeting: Meeting) -> None:
    opening(client, meeting).write_first(FIRST)
    assert not meeting.is_joined()


def test_a_task_that_waited_here_gets_the_sentence_while_it_is_being_written(
    client: "redis.Redis", meeting: Meeting
) -> None:
    assert meeting.is_joined()
    writing = threading.Timer(0.05, opening(client, meeting).write_first, [FIRST])
    writing.start()
    assert text_of(meeting.wait(WAIT_SECONDS)) == FIRST.text
    writing.join()


def test_no_sound_leaves_before_the_sentence_is_on_the_output_stream(client: "redis.Redis", meeting: Meeting) -> None:
    meeting.is_joined()
    sentences_when_told: list[int] = []

    def speak() -> None:
        meeting.wait(WAIT_SECONDS)
        meeting.wait_until_told()
        sentences_when_told.append(client.xlen(STREAM))

    speaking = threading.Thread(target=speak)
    speaking.start()
    opening(client, meeting).write_first(FIRST)
    speaking.join()
    assert sentences_when_told == [1]
    entries: Any = client.xrange(STREAM)
    assert output_from_fields(entries[0][1]) == FIRST


def test_without_a_first_sentence_the_waiting_task_is_let_go(client: "redis.Redis", meeting: Meeting) -> None:
    meeting.is_joined()
    waiting = threading.Thread(target=meeting.wait, args=(2 * WAIT_SECONDS,))
    waiting.start()
    opening(client, meeting).withdraw()
    waiting.join(WAIT_SECONDS)
    assert not waiting.is_alive()
    assert meeting.wait(0) is None


def test_a_task_of_another_process_is_let_go_by_a_word_on_redis(
    client: "redis.Redis", handover: Handover, meeting: Meeting
) -> None:
    opening(client, meeting).withdraw()
    assert on_redis(handover) == NOTHING


def test_a_reply_that_speaks_nothing_hands_nothing_over(
    client: "redis.Redis", handover: Handover, meeting: Meeting
) -> None:
    silent = opening(client, meeting, voice=None)
    silent.write_first(FIRST)
    silent.withdraw()
    assert on_redis(handover) is None


def test_a_reply_is_found_while_it_runs_and_no_longer() -> None:
    meetings = Meetings()
    with ExitStack() as running:
        meeting = running.enter_context(meetings.opened(REPLY))
        assert meetings.find(REPLY) is meeting
    assert meetings.find(REPLY) is None


def test_who_waits_for_a_sentence_to_be_told_is_let_go_when_its_reply_ends() -> None:
    with Meetings().opened(REPLY) as meeting:
        meeting.is_joined()
        waiting = threading.Thread(target=meeting.wait_until_told)
        waiting.start()
    waiting.join(1)
    assert not waiting.is_alive()
