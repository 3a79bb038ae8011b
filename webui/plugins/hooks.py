"""Everything that an extension can do: one function a hook. `docs/plugins.md` has an example of each.

`register_*` collects what extensions add. `alter_*` and `wrap_*` fold: each extension gets the last one's result and returns
another, or None to leave it as it is. `change_*` gives a block to be entered, `switch_*` is answered by one extension at most,
`on_*` tells. An extension names only the arguments that it uses.

The hooks of the web process are called there alone, the engine's there alone. `plugin.py` may implement both; what needs torch
belongs into `engine.py`, which the web process never loads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from webui.core.postprocessing import ExtrasRequest
from webui.core.request import GenerationRequest
from webui.core.switching import ModelSwitch

if TYPE_CHECKING:
    from fastapi import APIRouter
    from PIL.Image import Image
    from torch import Tensor

    from webui.core.plot_axes import AxisType
    from webui.core.readers import Reader
    from webui.core.samplers import SamplerInfo, SchedulerInfo
    from webui.core.schedules import Schedule
    from webui.diffusion.conditioning import Conditioning
    from webui.diffusion.samplers import Sampler
    from webui.plugins.panels import Panel

#: The version of this list. It grows when a hook changes so that an extension must; a new hook does not count.
API = 1

hookspec = pluggy.HookspecMarker("periplus")
hookimpl = pluggy.HookimplMarker("periplus")


# ---- in the web process


@hookspec
def register_params() -> Sequence[type]:
    """Frozen dataclasses of `Param`s: the options. Form, HTTP API, infotext and plot read them there. Asked in both processes."""
    return ()


@hookspec
def register_settings() -> Sequence[type]:
    """Frozen dataclasses of `Param`s: settings, which hold for all pictures; see `own_settings`. Asked in both processes."""
    return ()


@hookspec
def register_samplers() -> Sequence[SamplerInfo]:
    """Samplers' names and traits; `register_sampler_functions` has what they do. Asked in both processes."""
    return ()


@hookspec
def register_schedules() -> Sequence[tuple[SchedulerInfo, Schedule]]:
    """Schedule types: names, and (steps, `Range`) → noise levels that fall. Asked in both processes."""
    return ()


@hookspec
def register_upscalers() -> Sequence[str]:
    """Upscalers' names; `register_upscaler_functions` has what they do. Asked in both processes."""
    return ()


@hookspec
def register_readers() -> Sequence[tuple[str, Reader]]:
    """Readers of other programs' pictures: the program's name, and (texts by keyword, size) → infotext or None."""
    return ()


@hookspec
def register_localisations() -> Sequence[tuple[str, Mapping[str, str]]]:
    """Languages of the page: a name, and the sentences by their keys in `en.json` or by the English words."""
    return ()


@hookspec
def register_panels() -> Sequence[Callable[[Panel], None]]:
    """What draws the accordion of this extension's options with Gradio, once a form, instead of a control for each in a row."""
    return ()


@hookspec
def register_axes() -> Sequence[AxisType]:
    """Axes for plots, beside those that options are by themselves: asked whenever the list is shown, or a plot checked."""
    return ()


@hookspec
def register_completions() -> Sequence[tuple[str, str, str]]:
    """Names that prompts may hold, such as wildcards: kind, name, and the text for the prompt. Asked while somebody types."""
    return ()


@hookspec
def register_routes() -> Sequence[APIRouter]:
    """Routes for the HTTP API, below /api/extensions/NAME. They are asked for once, when the program starts."""
    return ()


@hookspec
def register_tabs() -> Sequence[tuple[str, Callable[[], None]]]:
    """Tabs of the page: a title, and what draws with Gradio where it stands. Asked once, when the program starts."""
    return ()


@hookspec
def alter_request(request: GenerationRequest) -> GenerationRequest | None:
    """Change what is about to be queued: checkpoint, VAE and seeds are settled. The number of pictures must stay."""


@hookspec
def alter_infotext(entries: dict[str, object], request: GenerationRequest) -> dict[str, object] | None:
    """Change the infotext entries beside those of the request's fields; `request` is the one picture's own."""


@hookspec
def alter_settings(settings: dict[str, str]) -> dict[str, str] | None:
    """Change the entries that were read from an infotext before fields take them: other programs' keys become yours."""


@hookspec
def alter_file_name(name: str, request: GenerationRequest, index: int) -> str | None:
    """Change the part of a picture's file name after the number, without folder and ending. `index` counts in the job."""


@hookspec
def alter_grid(grid: Image, request: GenerationRequest) -> Image | None:
    """Change the grid of a plot (RGB) before it is saved; `request` is the plot's own, without what its axes change."""


@hookspec
def on_start(data_dir: Path) -> None:
    """The program has loaded its extensions, before the page is served; or this one was switched on since."""


@hookspec
def on_job_done(request: GenerationRequest, state: str, paths: Sequence[str]) -> None:
    """A job has ended as "done", "failed" or "cancelled", with these picture files."""


# ---- in the engine


@hookspec
def register_sampler_functions() -> Sequence[tuple[str, Sampler]]:
    """For each name of `register_samplers`, what goes from noise to clean latents: see `webui.diffusion.samplers.base`."""
    return ()


@hookspec
def register_upscaler_functions() -> Sequence[tuple[str, Callable[[Image, tuple[int, int]], Image]]]:
    """For each name of `register_upscalers`, (picture, wanted width and height) → a larger picture of any size, both RGB."""
    return ()


@hookspec
def change_modules(modules: Mapping[str, Any], request: GenerationRequest) -> AbstractContextManager[object] | None:
    """Change the modules of a checkpoint that a job was lent, by name ("text_encoder", "unet", "vae"), until the block is left.

    Weights must not be written: they may be elsewhere. What is changed must be as it was afterwards.
    """


@hookspec
def alter_conditioning(conditioning: Conditioning, request: GenerationRequest) -> Conditioning | None:
    """Change the encoded prompts of all pictures of the job."""


@hookspec
def alter_noise(latents: Tensor, request: GenerationRequest, sigma: float) -> Tensor | None:
    """Change the noisy latents (batch, 4, height / 8, width / 8) before the first step; `sigma` is their noise level."""


@hookspec
def wrap_denoiser(denoiser: Callable[[Any, float], Any], request: GenerationRequest) -> Callable[[Any, float], Any] | None:
    """Stand around the denoiser, (latents, sigma) → clean latents of the same shape with guidance applied. Asked once a batch."""


@hookspec
def alter_guidance(
    denoised: Tensor, conditional: Tensor, unconditional: Tensor, sigma: float, request: GenerationRequest
) -> Tensor | None:
    """Change what guidance makes of the model's two answers, all as clean latents (batch, 4, height / 8, width / 8)."""


@hookspec
def switch_model(request: GenerationRequest, second_pass: bool) -> ModelSwitch | None:
    """Name a checkpoint that goes on with the noisy latents of a pass from some noise level on; None: none does."""


@hookspec
def alter_latents(latents: Tensor, request: GenerationRequest) -> Tensor | None:
    """Change the sampled latents (batch, 4, height / 8, width / 8) before they are decoded."""


@hookspec
def alter_image(image: Image, request: GenerationRequest) -> Image | None:
    """Change a finished picture (RGB) before it is saved; `request` is the one picture's own."""


@hookspec
def alter_extras_image(image: Image, request: ExtrasRequest) -> Image | None:
    """Change a picture of the tab Extras (RGB or RGBA) after it was enlarged, such as by restoring the faces in it."""


@hookspec
def on_model_loaded(checkpoint: str, request: GenerationRequest) -> None:
    """A job has been lent the weights of this checkpoint."""


HOOKS: Mapping[str, Callable[..., Any]] = {
    name: function
    for name, function in list(globals().items())
    if name.startswith(("register_", "alter_", "wrap_", "change_", "switch_", "on_"))
}

#: The first of the engine's.
_FIRST = list(HOOKS).index("register_sampler_functions")
ENGINE_HOOKS = frozenset(list(HOOKS)[_FIRST:])

#: Of the others those that `plugin.py` is asked in both processes.
COMMON_HOOKS = frozenset(
    ("register_params", "register_settings", "register_samplers", "register_schedules", "register_upscalers")
)
