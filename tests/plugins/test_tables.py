"""What extensions add to the program's tables: it is everywhere where the program's own is, and goes with its extension."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps
from PIL.PngImagePlugin import PngInfo

from tests.plugins.crafts import write_craft
from tests.plugins.writing import write_extension
from webui.core import infotext
from webui.core.effects import NEEDS
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES, SCHEDULER_LABELS, find_sampler, split_sampler
from webui.core.schedules import SCHEDULES, Range, schedule
from webui.core.sigmas import model_sigmas
from webui.errors import InvalidRequest, PluginError
from webui.plugins.loader import PluginManager
from webui.plugins.testing import Running, running
from webui.storage.metadata import read_infotext
from webui.ui import pnginfo


@pytest.fixture
def craft(folder: Path) -> PluginManager:
    write_craft(folder)
    manager = PluginManager([folder], folder.parent / "extensions.toml")
    manager.load_all()
    assert manager.find("craft").problem is None
    return manager


def test_names_are_known_while_the_extension_is_loaded(craft: PluginManager):
    assert craft.find("craft").adds == ("Straight", "Plain Euler", "Mirror", "Craftwork")
    assert (SAMPLER_NAMES[-1], SCHEDULER_LABELS[-1], craft.upscalers()) == ("Plain Euler", "Straight", ["Mirror"])
    assert split_sampler("K_PLAIN") == ("Plain Euler", None) and split_sampler("Euler Straight") == ("Euler", "Straight")
    assert "Plain Euler" in NEEDS["sigma_churn"]["sampler"] and "Plain Euler" not in NEEDS["eta"]["sampler"]
    request = GenerationRequest(sampler="Plain Euler", hires_sampler="Plain Euler", scheduler="Straight")
    craft.disable("craft")
    assert "Plain Euler" not in SAMPLER_NAMES and "Straight" not in SCHEDULES and craft.upscalers() == []
    with pytest.raises(InvalidRequest, match="“Plain Euler” is not known"):
        GenerationRequest(sampler=request.sampler)
    craft.enable("craft")
    assert GenerationRequest(sampler="Plain Euler") == GenerationRequest(sampler="Plain Euler")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ('register_samplers(): return [SamplerInfo("euler", ())]', "Its sampler cannot be used: there is another “euler”"),
        ('register_samplers(): return [SamplerInfo("Own", ("k_lms",))]', "there is another “k_lms”"),
        ('register_samplers(): return [SamplerInfo("LMS Karras", ())]', "older pictures mean LMS with Karras by it"),
        ('register_samplers(): return [SamplerInfo("Own", (), "Bent")]', "names “Bent”, which is no schedule type"),
        ('register_samplers(): return ["Own"]', "register_samplers gave 'Own', which is none"),
        ("register_samplers(): return 3", "it gave int; a list was expected"),
        (
            'register_schedules(): return [(SchedulerInfo("own", "Karras"), max)]',
            "Its schedule type cannot be used: there is another “Karras”",
        ),
        ('register_schedules(): return [(SchedulerInfo("own", "DDIM timesteps"), max)]', "there is another “DDIM timesteps”"),
        ('register_upscalers(): return ["lanczos"]', "Its upscaler cannot be used: there is another “lanczos”"),
        ('register_upscalers(): return ["Latent"]', "there is another “Latent”"),
        ('register_readers(): return [("A", max), ("A", max)]', "Its reader cannot be used: there is another “A”"),
        ("register_settings(): return [int]", "Its settings cannot be used: <class 'int'> is no frozen dataclass"),
    ],
)
def test_what_is_named_as_ours_or_is_none_is_refused_at_loading(folder: Path, code: str, told: str):
    imports = "from webui.core.samplers import SamplerInfo, SchedulerInfo\n"
    write_extension(folder, "bad", f"{imports}@hookimpl\ndef {code}\n")
    before = tuple(SAMPLER_NAMES), tuple(SCHEDULES)
    manager = PluginManager([folder])
    manager.load_all()
    assert told in (manager.find("bad").problem or "")
    assert (tuple(SAMPLER_NAMES), tuple(SCHEDULES)) == before


def test_two_extensions_cannot_add_the_same(craft: PluginManager, folder: Path):
    write_extension(folder, "later", "@hookimpl\ndef register_upscalers(): return ['mirror']\n")
    craft.load_all()
    assert craft.find("later").problem == "Its upscaler cannot be used: there is another “mirror”."


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("", "There is no function for “Own”; register_sampler_functions in engine.py would give it."),
        ("return [('Own', max), ('Other', max)]", "gave a function for “Other”, which plugin.py does not name."),
    ],
)
def test_the_engine_wants_a_function_for_each_name(folder: Path, engine: str, told: str):
    plugin = "from webui.core.samplers import SamplerInfo\n@hookimpl\ndef register_samplers(): return [SamplerInfo('Own', ())]\n"
    write_extension(folder, "x", plugin, engine=f"@hookimpl\ndef register_sampler_functions(): {engine or 'return []'}\n")
    manager = PluginManager([folder], engine=True)
    manager.load_all()
    assert told in (manager.find("x").problem or "")
    assert find_sampler("Own") is None


@pytest.mark.parametrize(("given", "told"), [("3", "it gave int; a picture was expected"), ("1 / 0", "ZeroDivisionError")])
def test_an_upscaler_that_gives_no_picture_fails_by_its_name(folder: Path, given: str, told: str):
    engine = f"@hookimpl\ndef register_upscaler_functions(): return [('Own', lambda picture, size: {given})]\n"
    write_extension(folder, "x", "@hookimpl\ndef register_upscalers(): return ['Own']\n", engine=engine)
    manager = PluginManager([folder], engine=True)
    manager.load_all()
    enlarge = manager.upscaler("Own")
    assert enlarge is not None
    with pytest.raises(PluginError, match=f"The extension x failed in register_upscaler_functions: {told}"):
        enlarge(Image.new("RGB", (2, 2)), (4, 4))


@pytest.mark.parametrize("given", ["[1, 2]", "[1.0]", "[float('nan'), 0]", "'no'", "None", "1 / 0"])
def test_a_schedule_that_gives_no_falling_levels_fails_by_its_name(folder: Path, given: str):
    code = f"""
from webui.core.samplers import SchedulerInfo
def bent(steps, over):
    return {given}
@hookimpl
def register_schedules(): return [(SchedulerInfo("bent", "Bent"), bent)]
"""
    write_extension(folder, "x", code)
    manager = PluginManager([folder])
    manager.load_all()
    with pytest.raises(PluginError, match="The extension x failed in register_schedules: "):
        schedule("Bent", 3, Range(sigmas=model_sigmas()))


# ---- in the program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(write_craft(tmp_path_factory.mktemp("craft"))) as program:
        yield program


def difference(one: Image.Image, other: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(one, other).getextrema())  # pyright: ignore[reportGeneralTypeIssues]


def test_a_sampler_and_a_schedule_make_pictures_and_come_back_from_their_infotext(program: Running):
    (made,) = program.make(sampler="Plain Euler")
    assert "Sampler: Plain Euler, Schedule type: Automatic" in made.infotext
    assert (made.restored["sampler"], made.restored["scheduler"]) == ("Plain Euler", "Automatic")
    assert "Craft note: made by craft" in made.infotext
    (own,) = program.make(sampler="Euler", scheduler="Straight")  # what “Automatic” is to the other one
    assert own.image.tobytes() == made.image.tobytes()
    (other,) = program.make(sampler="Euler", scheduler="Karras")
    assert other.image.tobytes() != made.image.tobytes()
    (old,) = program.make(**infotext.restore(infotext.parse("x\nSteps: 2, Sampler: Plain Euler Karras, Seed: 1")).values)
    assert (old.request.sampler, old.request.scheduler) == ("Plain Euler", "Karras")


def test_an_upscaler_enlarges_between_two_passes(program: Running):
    hires = {"hires": True, "hires_scale": 2, "hires_steps": 1, "denoising_strength": 0.0, "hires_upscaler": "mirror"}
    (mirrored,) = program.make(**hires)
    (plain,) = program.make(**hires | {"hires_upscaler": "Lanczos"})
    assert mirrored.request.hires_upscaler == mirrored.restored["hires_upscaler"] == "Mirror"
    assert mirrored.image.size == (128, 128)
    apart = difference(mirrored.image, plain.image)
    assert difference(ImageOps.mirror(mirrored.image), plain.image) < apart


def test_a_setting_holds_for_the_next_picture_and_is_kept(program: Running):
    plugins = program.services.plugins
    (before,) = program.make()
    plugins.change_setting("craft.soft", True)
    plugins.change_setting("craft.note", "signed")
    (after,) = program.make()
    assert after.image.tobytes() == ImageOps.invert(before.image).tobytes()
    assert "Craft note: signed" in after.infotext
    assert plugins.disable("craft").problem is None
    assert plugins.enable("craft").loaded
    assert plugins.settings.values["craft.note"] == "signed"
    with pytest.raises(InvalidRequest, match="Count is 10; it must lie between 0 and 9"):
        plugins.change_setting("craft.count", 10)
    with pytest.raises(InvalidRequest, match=r"No extension has a setting “craft\.size”"):
        plugins.change_setting("craft.size", 10)
    for name in ("craft.soft", "craft.note"):
        plugins.change_setting(name, None)
    assert plugins.settings.values["craft.note"] == "made by craft"


def test_plots_have_them_as_values(program: Running):
    types = program.services.plots.types()
    assert "Plain Euler" in types["Sampler"].choices and "Straight" in types["Schedule type"].choices
    assert types["Sampler"].parse("euler, plain euler") == ["Euler", "Plain Euler"]
    assert "Mirror" in types["Hires upscaler"].choices


# ---- pictures of other programs


def write_png(path: Path, **texts: str) -> Path:
    told = PngInfo()
    for key, text in texts.items():
        told.add_text(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=told)
    return path


def test_a_reader_reads_its_programs_pictures_in_png_info(program: Running, tmp_path: Path):
    text = "a boat\nSteps: 3, Sampler: Plain Euler, Seed: 7"
    picture = write_png(tmp_path / "a.png", craftwork=text, parameters="not this")
    services = program.services
    answer = pnginfo.inspect(picture, "a.png", services.catalog, services.plugins.kinds)
    assert (answer["program"], answer["prompt"]) == ("Craftwork", "a boat")
    assert ["Sampler", "Plain Euler", None] in answer["settings"]
    assert read_infotext(write_png(tmp_path / "b.png", parameters="a cat\nSteps: 1"), "b.png").program == ""


def test_a_reader_that_fails_is_named_and_the_picture_is_read_all_the_same(folder: Path, tmp_path: Path):
    write_extension(folder, "x", "@hookimpl\ndef register_readers():\n    return [('X', lambda texts, size: 1 / 0)]\n")
    manager = PluginManager([folder])
    manager.load_all()
    found = read_infotext(write_png(tmp_path / "a.png", parameters="a cat\nSteps: 1, Seed: 2"), "a.png")
    assert found.infotext == "a cat\nSteps: 1, Seed: 2"
    assert found.notes == ("The extension x failed in register_readers: ZeroDivisionError: division by zero",)
    manager.close()
    assert read_infotext(tmp_path / "a.png", "a.png").notes == ()
