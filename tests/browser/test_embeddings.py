"""An embedding that is put into its folder: counted while typing, used, and named under the picture."""

from __future__ import annotations

from pathlib import Path

from tests.browser.page import Studio
from tests.checkpoints.embeddings import rows, write_safetensors
from tests.running import RunningApp
from webui.checkpoints.catalog import BUNDLED_CHECKPOINT
from webui.checkpoints.scan import CheckpointInfo
from webui.checkpoints.text_widths import text_widths


def test_a_new_embedding_is_counted_used_and_named_without_a_reload(studio: Studio, app: RunningApp):
    studio.fill(prompt="a zebrafish")
    plain = studio.counter("prompt").locator(".counter-number")
    plain.get_by_text("/75").wait_for()
    folder = Path(app.http.get("/sdapi/v1/cmd-flags").json()["data_dir"]) / "embeddings"
    folder.mkdir(exist_ok=True)
    (width,) = text_widths(CheckpointInfo("starter", BUNDLED_CHECKPOINT, 1))
    path = write_safetensors(folder / "Zebrafish.safetensors", rows(20, width) * 0.02)
    try:
        app.http.post("/sdapi/v1/refresh-embeddings")
        studio.fill(prompt="a heart, (zebrafish:1.2)")
        studio.wait_for_count("prompt", "23/75")  # a, heart, comma and 20 vectors
        studio.generate(seed="1", steps="2")
        assert 'TI hashes: "Zebrafish: ' in studio.infotext
        listed = app.http.get("/sdapi/v1/embeddings").json()
        assert listed["loaded"]["Zebrafish"]["vectors"] == 20
    finally:
        path.unlink()
