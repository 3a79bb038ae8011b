"""The engine's hooks, each in a job on a tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.generation.test_runner import Job, request_for
from tests.plugins.writing import FIVE_KINDS, write_extension
from tests.tiny import write_tiny_checkpoint
from webui.checkpoints.catalog import Catalog
from webui.core.request import GenerationRequest
from webui.core.samplers import SAMPLER_NAMES
from webui.engine import protocol
from webui.engine.protocol import ImageDone, Notice
from webui.errors import PluginError
from webui.generation.runner import Runner
from webui.plugins.loader import PluginManager

Run = Callable[..., Job]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    root = tmp_path_factory.mktemp("models")
    write_tiny_checkpoint(root / "tiny.safetensors", 1)
    return Catalog([root], [])


@pytest.fixture
def run(catalog: Catalog, folder: Path) -> Run:
    """Run a request with an extension "x" whose engine.py holds this code; without code, without any."""

    def run(engine: str | None = None, request: GenerationRequest | None = None, plugin: str = "", **changes: Any) -> Job:
        if engine is not None:
            write_extension(folder, "x", plugin, engine="import torch\n" + engine)
        plugins = PluginManager([folder], folder.parent / "extensions.toml", engine=True)
        plugins.load_all()
        assert [info.problem for info in plugins.plugins()] == [None] * len(plugins.plugins())
        return Job(Runner(catalog, "cpu", plugins=plugins), request or request_for(**changes))

    return run


@pytest.mark.parametrize(
    "code",
    [
        "@hookimpl\ndef alter_noise(latents, sigma):\n    assert 14 < sigma < 15\n    return latents * 0.5\n",
        "@hookimpl\ndef alter_latents(latents):\n    return latents + 1\n",
        "@hookimpl\ndef wrap_denoiser(denoiser):\n    return lambda latents, sigma: denoiser(latents, sigma) * 0.9\n",
        "from dataclasses import replace\n@hookimpl\ndef alter_conditioning(conditioning):\n"
        "    return replace(conditioning, unconditional=conditioning.conditionals[0])\n",
        "from PIL import ImageOps\n@hookimpl\ndef alter_image(image):\n    return ImageOps.invert(image)\n",
    ],
    ids=["alter_noise", "alter_latents", "wrap_denoiser", "alter_conditioning", "alter_image"],
)
def test_what_a_hook_changes_changes_the_picture(run: Run, code: str):
    assert run().pixels[0] != run(code).pixels[0]


def test_an_inverted_picture_is_the_inverse(run: Run):
    plain, inverted = (
        run().pixels[0],
        run("from PIL import ImageOps\n@hookimpl\ndef alter_image(image):\n    return ImageOps.invert(image)\n"),
    )
    assert inverted.pixels[0] == bytes(255 - value for value in plain)


def test_a_picture_may_become_another_size(run: Run):
    job = run("@hookimpl\ndef alter_image(image):\n    return image.resize((16, 8)).convert('L')\n")
    (picture,) = job.of(ImageDone)
    assert (picture.width, picture.height, len(picture.pixels)) == (16, 8, 16 * 8 * 3)


def test_each_picture_is_altered_with_the_request_that_makes_it_alone(run: Run):
    code = (
        "@hookimpl\ndef alter_image(image, request):\n    image.paste((request.seed, 0, 0), (0, 0, 64, 64))\n    return image\n"
    )
    assert [pixels[0] for _, pixels in sorted(run(code, batch_size=2).pixels.items())] == [5, 6]


def test_the_model_that_was_lent_is_told(run: Run, folder: Path):
    mark = folder.parent / "told"
    code = "@hookimpl\ndef on_model_loaded(checkpoint):\n    import pathlib\n"
    run(f"{code}    pathlib.Path({str(mark)!r}).write_text(checkpoint)\n")
    assert mark.read_text() == "tiny"


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_a_denoiser_that_passes_everything_on_leaves_every_sampler_as_it_is(run: Run, sampler: str):
    around = "@hookimpl\ndef wrap_denoiser(denoiser):\n    return lambda latents, sigma: denoiser(latents, sigma)\n"
    assert run(sampler=sampler).pixels == run(around, sampler=sampler).pixels


def test_options_reach_the_engine_as_plain_values(run: Run):
    code = (
        "from .plugin import Options\n@hookimpl\ndef alter_latents(latents, request):\n"
        "    options = request.extra(Options)\n    return latents if options is None else latents * options.strength\n"
    )
    extras = {"extras": {"x": {"strength": 0.25, "count": 2, "note": "", "shape": "round", "soft": False}}}
    request = GenerationRequest.from_dict(request_for().to_dict() | extras)
    assert run(code, request, plugin=FIVE_KINDS).pixels != run(None).pixels


def test_a_job_with_options_of_an_extension_that_is_not_loaded_fails_by_its_name(run: Run):
    request = GenerationRequest.from_dict(request_for().to_dict() | {"extras": {"gone": {"strength": 0.25}}})
    with pytest.raises(PluginError, match="has options of the extension gone, which is not loaded: it is not there"):
        run(None, request)


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("alter_conditioning", "conditioning"), ("alter_noise", "latents"), ("wrap_denoiser", "denoiser"),
        ("alter_latents", "latents"), ("alter_image", "image"), ("on_model_loaded", "checkpoint"), ("switch_model", "request"),
        ("alter_guidance", "denoised"),
    ],
)  # fmt: skip
def test_one_that_raises_fails_the_job_by_its_name(run: Run, hook: str, arguments: str):
    with pytest.raises(PluginError, match=f"The extension x failed in {hook}: ValueError: no"):
        run(f"@hookimpl\ndef {hook}({arguments}):\n    raise ValueError('no')\n")


def managers(folder: Path) -> tuple[PluginManager, PluginManager]:
    """Of the web process and of the engine."""
    found = tuple(PluginManager([folder], folder.parent / "extensions.toml", engine=engine) for engine in (False, True))
    for each in found:
        each.load_all()
    return found[0], found[1]


def test_cells_of_a_plot_share_nothing_with_those_before_an_extension_was_read_anew(catalog: Catalog, folder: Path):
    path = write_extension(folder, "x", engine="@hookimpl\ndef alter_latents(latents):\n    return latents + 1\n")
    front, engine = managers(folder)
    runner = Runner(catalog, "cpu", plugins=engine)

    def cell() -> list[bytes]:
        events: list[Any] = []
        runner.run(protocol.Run("job", request_for(), shares=True), events.append, runner.new_control())
        return [event.pixels for event in events if isinstance(event, ImageDone)]

    before = cell()
    (path / "engine.py").write_text((path / "engine.py").read_text().replace("+ 1", "- 1"))
    front.reload("x")
    assert cell() != before


def test_one_that_is_not_loaded_in_the_engine_is_named_once(catalog: Catalog, folder: Path):
    write_extension(folder, "x", engine="1 / 0")
    runner = Runner(catalog, "cpu", plugins=managers(folder)[1])
    told = [[notice.text for notice in Job(runner, request_for(steps=1)).of(Notice)] for _ in range(2)]
    assert told == [["The extension x is not loaded: engine.py, line 7: ZeroDivisionError: division by zero."], []]


def test_one_that_gives_something_else_fails_the_job_by_its_name(run: Run):
    with pytest.raises(PluginError, match="The extension x failed in alter_latents: it gave Tensor of shape"):
        run("@hookimpl\ndef alter_latents(latents):\n    return latents[:, :1]\n")


SWITCH = "from webui.core.switching import ModelSwitch\n@hookimpl\ndef switch_model(request, second_pass):\n    return "


def test_a_switch_to_the_same_model_changes_nothing(run: Run):
    assert run().pixels == run(SWITCH + "ModelSwitch(checkpoint='tiny', at=0.5)\n").pixels


def test_two_extensions_cannot_both_switch_the_model(run: Run, folder: Path):
    write_extension(folder, "another", SWITCH + "ModelSwitch(checkpoint='tiny')\n")
    with pytest.raises(PluginError, match="The extension x failed in switch_model: the extension another wants the same"):
        run(SWITCH + "ModelSwitch(checkpoint='tiny')\n")


def test_a_switch_of_another_kind_is_refused(run: Run):
    with pytest.raises(PluginError, match="it gave str; ModelSwitch or None was expected"):
        run("@hookimpl\ndef switch_model(request):\n    return 'tiny'\n")


PAD = """
from contextlib import contextmanager
@contextmanager
def upside_down(unet):
    handle = unet.register_forward_pre_hook(lambda module, given: (-given[0], *given[1:]))
    try:
        yield
    finally:
        handle.remove()
@hookimpl
def change_modules(modules, request):
    assert set(modules) == {"text_encoder", "unet", "vae"}
    return upside_down(modules["unet"]) if request.steps == 3 else None
"""


def test_modules_are_changed_for_one_job_alone(run: Run, catalog: Catalog):
    plain = run(steps=2).pixels, run().pixels
    changed = run(PAD)
    assert changed.pixels != plain[1]
    assert run(steps=2).pixels == plain[0]


@pytest.mark.parametrize(("given", "told"), [("7", "it gave int; a context manager"), ("1 / 0", "ZeroDivisionError")])
def test_one_that_changes_modules_wrongly_fails_the_job_by_its_name(run: Run, given: str, told: str):
    with pytest.raises(PluginError, match=f"The extension x failed in change_modules: {told}"):
        run(f"@hookimpl\ndef change_modules(modules):\n    return {given}\n")


GUIDANCE = "@hookimpl\ndef alter_guidance(denoised, conditional, unconditional, sigma, request):\n    return "


def test_guidance_is_altered_where_there_is_some(run: Run):
    plain, alone = run(guidance_scale=5.0).pixels, run(guidance_scale=1.0).pixels
    by_hand = run(GUIDANCE + "unconditional + request.guidance_scale * (conditional - unconditional)\n", guidance_scale=5.0)
    assert max(abs(a - b) for a, b in zip(by_hand.pixels[0], plain[0], strict=True)) <= 1
    assert run(guidance_scale=1.0).pixels == alone


def test_guidance_that_is_taken_away_leaves_the_conditional(run: Run):
    alone = run(guidance_scale=1.0).pixels[0]
    without = run(GUIDANCE + "conditional\n", guidance_scale=5.0).pixels[0]
    assert max(abs(a - b) for a, b in zip(without, alone, strict=True)) <= 1
