"""Grids as extensions leave them. Only then the whole of one is in memory."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable

from PIL import Image

from webui.core.request import GenerationRequest
from webui.errors import PluginError
from webui.plugins.loader import PluginManager
from webui.storage.encoding import encode_png


def altered(chunks: Iterable[bytes], request: GenerationRequest, plugins: PluginManager) -> Iterable[bytes]:
    """The PNG file of a grid with its infotext, after `alter_grid`. Raise PluginError.

    Args:
        request: of the plot.
    """
    if not plugins.implements("alter_grid"):
        return chunks
    grid, infotext = _decoded(b"".join(chunks))
    made = plugins.fold("alter_grid", grid, request=request).convert("RGB")
    return [encode_png(made.tobytes(), made.width, made.height, infotext)]


def _decoded(data: bytes) -> tuple[Image.Image, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # it is our own
            with Image.open(io.BytesIO(data)) as file:
                return file.convert("RGB"), str(file.info.get("parameters", ""))
    except Image.DecompressionBombError as error:
        raise PluginError("", "", f"The grid is too large for extensions to change it: {error}") from error
