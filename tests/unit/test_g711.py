"""G.711: known codes of the standard, and no more loss than the standard allows."""

import numpy as np
import pytest

from sessions.live.g711 import decode_a_law, decode_mu_law, encode_a_law, encode_mu_law


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def test_mu_law_codes_of_the_standard() -> None:
    assert encode_mu_law(pcm(0, -1, 32_767, -32_768, 1_000, -1_000)).hex() == "ff7e8000ce4e"


def test_a_law_codes_of_the_standard() -> None:
    assert encode_a_law(pcm(0, -1, 32_767, -32_768, 1_000, -1_000)).hex() == "d555aa2afa7a"


def test_mu_law_samples_of_the_standard() -> None:
    assert decode_mu_law(bytes.fromhex("ff7f8000")) == pcm(0, 0, 32_124, -32_124)


def test_a_law_samples_of_the_standard() -> None:
    assert decode_a_law(bytes.fromhex("d555aa2a")) == pcm(8, -8, 32_256, -32_256)


@pytest.mark.parametrize(("encode", "decode"), [(encode_mu_law, decode_mu_law), (encode_a_law, decode_a_law)])
def test_every_code_but_the_two_zeros_survives_the_way_there_and_back(encode: object, decode: object) -> None:
    assert callable(encode)
    assert callable(decode)
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert encode(decode(codes)) == codes


@pytest.mark.parametrize(("encode", "decode"), [(encode_mu_law, decode_mu_law), (encode_a_law, decode_a_law)])
def test_every_sample_comes_back_within_six_per_cent(encode: object, decode: object) -> None:
    assert callable(encode)
    assert callable(decode)
    samples = np.arange(-32_768, 32_768).astype("<i2")
    back = np.frombuffer(decode(encode(samples.tobytes())), "<i2").astype(float)
    assert np.all(np.abs(back - samples) <= np.maximum(16, 0.06 * np.abs(samples.astype(float))))
