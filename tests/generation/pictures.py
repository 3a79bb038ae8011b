"""Pictures for jobs to begin with."""

from __future__ import annotations

import io

from PIL import Image

from webui.storage.sources import SourceStore


def put(store: SourceStore, picture: Image.Image) -> str:
    """The digest under which requests name it."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return store.put(out.getvalue())
