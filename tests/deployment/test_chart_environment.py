"""Where there is no Python 3.12 the checks that need it are left out aloud, and never in CI."""

import pytest

from tests.deployment import python312

pytestmark = pytest.mark.deployment


@pytest.fixture
def _no_python_3_12(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python312, "find_interpreter", lambda: None)


@pytest.mark.usefixtures("_no_python_3_12")
def test_without_python_3_12_it_is_said_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert python312.environment.__wrapped__() is None
    printed = capsys.readouterr().out
    assert printed.startswith("NOT RUN: the chart's rendering")
    assert "no python3.12 is on PATH or in pyenv" in printed


@pytest.mark.usefixtures("_no_python_3_12")
def test_in_ci_nothing_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(python312.NoPython312Error, match="NOT RUN"):
        python312.environment.__wrapped__()


def test_a_name_on_the_path_that_does_not_run_is_passed_over() -> None:
    assert not python312.is_usable("/bin/false")
