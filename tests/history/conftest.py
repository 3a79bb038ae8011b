from collections.abc import Iterator
from pathlib import Path

import pytest

from webui.history.favourites import Favourites
from webui.history.index import HistoryIndex
from webui.history.scanning import Scanner


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[HistoryIndex]:
    index = HistoryIndex(tmp_path / "history.sqlite")
    yield index
    index.close()


@pytest.fixture
def scanner(index: HistoryIndex, outputs: Path) -> Scanner:
    return Scanner(index, outputs, Favourites(outputs), lambda worked: None)
