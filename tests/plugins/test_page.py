"""What extensions add to the page: their own panels, settings and languages; and their hand in grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from tests.plugins.crafts import write_craft
from tests.plugins.writing import FIVE_KINDS, write_extension
from tests.ui.drawing import a_page
from webui.core.request import GenerationRequest
from webui.core.xyz import Axis, PlotRequest
from webui.ui import blocks, extension_options, extension_settings, localisation, quick_settings, texts
from webui.ui.form import Form

OPTIONS = "/sdapi/v1/options"

PANEL = """
@hookimpl
def register_panels():
    def draw(panel):
        import gradio as gr
        with gr.Row():
            panel.draw("shape", scale=3)
            gr.Markdown("own words")
            panel.draw("count")
        {last}
    return [draw]
"""


def drawn(services) -> tuple[Form, gr.Blocks]:
    form = Form("txt2img", services.plugins.kinds)
    with a_page() as page:
        extension_options.draw(form, services.plugins, services.catalog)
    return form, page


def said(page: gr.Blocks) -> list[str]:
    return [str(block.value) for block in page.blocks.values() if isinstance(block, gr.Markdown)]


def test_an_extension_draws_its_panel_and_what_it_leaves_comes_below(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "five", FIVE_KINDS + PANEL.format(last=""))
    form, page = drawn(request.getfixturevalue("services"))
    assert list(form.components) == ["five.shape", "five.count", "five.strength", "five.note", "five.soft"]
    assert said(page) == ["own words"]
    shape: Any = form.components["five.shape"]
    assert (shape.scale, shape.label, [value for _, value in shape.choices]) == (3, "Shape", ["round", "square"])


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("panel.draw('shape')", "ValueError: “shape” is drawn already"),
        ("panel.draw('gone')", "ValueError: there is no option “gone”"),
    ],
)
def test_a_panel_that_fails_says_so_in_its_place(folder: Path, request: pytest.FixtureRequest, last: str, told: str):
    write_extension(folder, "five", FIVE_KINDS + PANEL.format(last=last))
    services = request.getfixturevalue("services")
    _, page = drawn(services)
    assert said(page)[1] == services.plugins.find("five").problem == f"The extension five failed in register_panels: {told}"


def test_settings_are_drawn_and_kept_as_they_are_changed(folder: Path, request: pytest.FixtureRequest):
    write_craft(folder)
    services = request.getfixturevalue("services")
    with a_page() as page:
        extension_settings.build(services)
    controls = {
        block.elem_id: block for block in page.blocks.values() if str(getattr(block, "elem_id", "")).startswith("settings_craft")
    }
    kinds = {"strength": gr.Number, "count": gr.Number, "note": gr.Textbox, "shape": gr.Dropdown, "soft": gr.Checkbox}
    assert all(isinstance(controls[f"settings_craft_{name}"], kind) for name, kind in kinds.items())
    assert said(page)[1] == "### Craft"
    assert extension_settings.save(services.plugins, "craft.count", 3.0) == "Saved: Count is 3.0."
    assert extension_settings.save(services.plugins, "craft.count", 33) == (
        "Count was not saved: Count is 33; it must lie between 0 and 9."
    )
    assert services.plugins.settings.values["craft.count"] == 3


def test_settings_stand_among_the_options_of_a1111s_api(folder: Path, request: pytest.FixtureRequest):
    write_craft(folder)
    client = request.getfixturevalue("client")
    told = client.get(OPTIONS).json()
    assert told.items() >= {"craft.count": 2, "craft.strength": 0.5, "craft.note": "made by craft", "craft.soft": False}.items()
    assert client.post(OPTIONS, json={**told, "craft.count": 3, "craft.gone": 1}).status_code == 200
    assert client.get(OPTIONS).json()["craft.count"] == 3
    wrong = client.post(OPTIONS, json={"craft.count": 33, "craft.soft": True, "live_previews_enable": False})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "craft.count")
    now = client.get(OPTIONS).json()
    assert (now["craft.count"], now["craft.soft"], now["live_previews_enable"]) == (3, False, True)


SEVERAL = """
@dataclass(frozen=True, kw_only=True)
class Settings:
    sides: Annotated[str, Param("Sides", choices=("left", "right", "top"), several=True)] = "left, right"

@hookimpl
def register_settings():
    return [Settings]
"""


def test_a_setting_of_several_choices_stands_below_the_header_as_a_list(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "edges", SEVERAL)
    services = request.getfixturevalue("services")
    services.preferences.update(quicksettings_list="edges.sides")
    [sides] = quick_settings.described(services)
    assert (sides["kind"], sides["value"]) == ("several", ["left", "right"])
    assert quick_settings.change(services, "edges.sides", ["top", "left"]) == ["top", "left"]
    assert services.plugins.settings.values["edges.sides"] == "top, left"


GERMAN = """
@hookimpl
def register_localisations():
    return [("Deutsch", {"settings.folders": "Ordner", "Width": "Breite", "Steps": "Schritte"}), *MORE]
"""


def test_a_language_of_an_extension_is_there_for_those_who_choose_it(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "german", GERMAN.replace("MORE", "[('Deutsch', {'settings.folders': 'Mappen', 'Height': 'Höhe'})]"))
    services = request.getfixturevalue("services")
    [(name, german), *_] = localisation.languages(services.plugins, services.settings.localisations_dir).items()
    assert name == "Deutsch"
    with texts.speaking(german):
        assert (texts.t("settings.folders"), texts.words("Height"), texts.t("settings.page")) == ("Ordner", "Höhe", "This page")
    assert texts.t("settings.folders") == "Folders"
    services.plugins.disable("german")
    assert "Deutsch" not in localisation.languages(services.plugins, services.settings.localisations_dir)


def test_a_localisation_that_is_none_is_named_and_the_page_stays_english(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "german", GERMAN.replace("MORE", "[('English', {})]"))
    services = request.getfixturevalue("services")
    assert [*localisation.languages(services.plugins, services.settings.localisations_dir)] == [*texts.own_tables()]
    assert "failed in register_localisations: it gave ('English', {})" in (services.plugins.find("german").problem or "")


GRID = """
@hookimpl
def alter_grid(grid, request):
    if request.prompt == "fails":
        raise ValueError("no")
    return grid.resize((grid.width // 2, grid.height // 2))
"""


def plotted(services, prompt: str):
    base = GenerationRequest(prompt=prompt, seed=1, steps=1, width=64, height=64)
    plot = services.plots.submit(PlotRequest(base=base, axes=(Axis("Seed", "1-3"),), draw_legend=False))
    return services.plots.wait(plot.id, 30).row


def test_a_grid_is_altered_before_it_is_saved_and_keeps_its_infotext(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "half", GRID)
    row = plotted(request.getfixturevalue("services"), "a cat")
    with Image.open(row.grids[0]) as grid:
        assert grid.size == (3 * 8 // 2, 4)
        assert "X Type: Seed" in grid.info["parameters"]


def test_a_grid_that_an_extension_fails_to_alter_is_told_and_its_cells_are_kept(folder: Path, request: pytest.FixtureRequest):
    write_extension(folder, "half", GRID)
    row = plotted(request.getfixturevalue("services"), "fails")
    assert row.grids == ()
    assert row.note.endswith("but all cells are: The extension half failed in alter_grid: ValueError: no")


def test_the_page_holds_them_all(folder: Path, request: pytest.FixtureRequest):
    write_craft(folder)
    write_extension(folder, "five", FIVE_KINDS + PANEL.format(last=""))
    services = request.getfixturevalue("services")
    with blocks.running_loop():
        page = blocks.build(services)
    found = {getattr(block, "elem_id", None): block for block in page.blocks.values()}
    assert {"settings_craft_note", "txt2img_five_shape", "img2img_five_shape"} <= found.keys()
    sampler: Any = found["txt2img_sampler"]
    assert ("Plain Euler", "Plain Euler") in sampler.choices
