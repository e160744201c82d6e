"""A pytest plug-in (`-p tests.sharing_out -n 2`): what shares a house, a browser or an emulator stays in one process."""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The longest first, so that no process is left alone with them at the end.
FIRST = ("journeys", "browser", "whole_page", "structure", "contracts")
# A house or a browser is started once for the whole folder.
WHOLE_FOLDERS = ("journeys", "browser")


def folder_of(nodeid: str) -> str:
    return PurePosixPath(nodeid.partition("::")[0]).parts[1]


class ByHouse(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    def _split_scope(self, nodeid: str) -> str:
        folder = folder_of(nodeid)
        return folder if folder in WHOLE_FOLDERS else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByHouse:
    config.option.loadscopereorder = False
    return ByHouse(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(folder) if (folder := folder_of(item.nodeid)) in FIRST else len(FIRST))
