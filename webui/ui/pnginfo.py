"""The tab PNG Info: what a picture's file says of how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from webui.checkpoints.catalog import Catalog
from webui.core import infotext
from webui.core.extras import ExtraKinds
from webui.errors import UnreadableImage
from webui.library.models import ModelLibrary
from webui.storage.metadata import read_infotext
from webui.ui import transfer
from webui.ui.pnginfo_models import models_of
from webui.ui.script import call, host
from webui.ui.services import PageServices
from webui.ui.texts import t

#: Text that the page is sent at most of one entry; the whole of it stays in the file.
_SHOWN = 100_000


def inspect(
    path: Path, name: str, catalog: Catalog, kinds: ExtraKinds | None = None, library: ModelLibrary | None = None
) -> dict[str, Any]:
    """What the page shows of a file: `error` in words, or prompts, settings with marks, models, raw text and the other chunks."""
    try:
        picture = read_infotext(path, name)
    except UnreadableImage as error:
        return {"error": str(error), "name": name}
    except OSError as error:
        return {"error": t("pnginfo.unreadable", name=name, reason=error.strerror or str(error)), "name": name}
    raw = picture.infotext or ""
    others = {key: text for key, text in picture.chunks.items() if text != raw}
    answer = {"error": "", "name": name, "format": picture.format, "width": picture.width, "height": picture.height}
    answer |= {"program": picture.program, "notes": list(picture.notes)}
    models = models_of(raw, catalog, library) if raw else []
    chunks = [[key, text[:_SHOWN]] for key, text in others.items()]
    return {**answer, **_described(raw, catalog, kinds), "models": models, "chunks": chunks}


def _described(raw: str, catalog: Catalog, kinds: ExtraKinds | None) -> dict[str, Any]:
    parsed = infotext.parse(raw)
    found = transfer.read(raw, catalog, kinds) if raw else transfer.Transfer({}, [])
    marks = {
        "Model": found.checkpoint_here,
        "Model hash": found.checkpoint_here,
        "VAE": found.vae_here,
        "VAE hash": found.vae_here,
    }
    return {
        "raw": raw,
        "prompt": parsed.prompt,
        "negative_prompt": parsed.negative_prompt,
        "settings": [[key, value, marks.get(key)] for key, value in _with_whole_sizes(dict(parsed.settings)).items()],
        "remarks": found.remarks,
    }


def _with_whole_sizes(settings: dict[str, str]) -> dict[str, str]:
    """The settings with "Size-1" and "Size-2" as the "Size: 512x512" that people know."""
    whole: dict[str, str] = {}
    for key, value in settings.items():
        if key.endswith("-1") and (height := settings.get(f"{key[:-2]}-2")) is not None:
            whole[key[:-2]] = f"{value}x{height}"
        elif not (key.endswith("-2") and f"{key[:-2]}-1" in settings):
            whole[key] = value
    return whole


def build() -> None:
    """Draw the tab: the script owns drop zone and result."""
    host("pnginfo", "mountPngInfo")


def connect(services: PageServices) -> None:
    """Tie what reads a file. Outside the tab, which is not rendered before it is opened: a prompt takes pictures too."""
    # gr.Image would decode the picture and write it anew, without its text.
    upload = gr.File(visible=False)
    ticket = gr.Textbox(visible=False)
    answer = gr.JSON(visible=False)
    ask = gr.Button("", elem_id="bridge_inspect", elem_classes=["bridge"])

    def on_inspect(path: str | None, ticket: str) -> dict[str, Any]:
        """The answer carries the ticket of the question, so that the script never takes one for another's."""
        if path is None:
            return {"error": t("pnginfo.no_file"), "name": "", "ticket": ticket}
        file = Path(path)
        try:
            return {**inspect(file, file.name, services.catalog, services.plugins.kinds, services.library), "ticket": ticket}
        finally:
            file.unlink(missing_ok=True)  # an upload; the folder is Gradio's and nobody else's

    ask.click(
        on_inspect,
        inputs=[upload, ticket],
        outputs=answer,
        js=call("takeUpload"),
        queue=False,
        trigger_mode="multiple",
        show_progress="hidden",
    ).then(None, inputs=answer, js=call("showInspection"))
