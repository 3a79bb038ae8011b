"""Where pictures that jobs begin with lie."""

from __future__ import annotations

import pytest

from webui.storage.sources import SourceStore


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> SourceStore:
    return SourceStore(tmp_path_factory.mktemp("sources"))
