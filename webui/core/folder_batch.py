"""The sub-tab "Batch" of img2img: the same request for each picture of a folder. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from webui.core import infotext
from webui.core.params import Param, settle
from webui.core.postprocessing import ExtrasSource, source_from
from webui.core.request import GenerationRequest
from webui.errors import InvalidRequest

#: Fields of a request that can come from a picture's own metadata, by the option that asks for it. The prompts are put behind
#: those of the form, as in A1111; the others take their place.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "take_seed": ("seed",),
    "take_guidance_scale": ("guidance_scale",),
    "take_sampler": ("sampler", "scheduler"),
    "take_steps": ("steps",),
}
_APPENDED = {"take_prompt": "prompt", "take_negative_prompt": "negative_prompt"}


@dataclass(frozen=True, kw_only=True)
class FolderBatch:
    """Pictures of a folder, or those that were handed in, one after the other."""

    folder: Annotated[str, Param("Input directory", max_length=4_000, help="A folder on the machine that Periplus runs on.")] = ""
    output_folder: Annotated[
        str, Param("Output directory", max_length=4_000, help="Empty: the usual folder, outputs/img2img-images.")
    ] = ""
    mask_folder: Annotated[
        str,
        Param(
            "Inpaint batch mask directory (required for inpaint batch processing only)",
            max_length=4_000,
            help="Each picture gets the mask of the same name; a single mask serves all.",
        ),
    ] = ""
    png_info: Annotated[
        bool, Param("Append png info to prompts", help="Each picture's own settings are used, where it has any.")
    ] = False
    png_info_folder: Annotated[
        str, Param("PNG info directory", max_length=4_000, help="Empty: the pictures themselves. Else files of the same names.")
    ] = ""
    take_prompt: Annotated[bool, Param("Prompt")] = True
    take_negative_prompt: Annotated[bool, Param("Negative prompt")] = True
    take_seed: Annotated[bool, Param("Seed")] = True
    take_guidance_scale: Annotated[bool, Param("CFG scale")] = True
    take_sampler: Annotated[bool, Param("Sampler")] = True
    take_steps: Annotated[bool, Param("Steps")] = True
    take_model: Annotated[bool, Param("Model hash")] = False
    only_missing: Annotated[
        bool, Param("Only what is missing", help="Leaves out pictures that have a result made with the same settings.")
    ] = True
    #: How many times as large as its source each result is; 0: as large as the request says.
    scale: Annotated[float, Param("Scale", low=0, high=4)] = 0.0
    #: Instead of a folder.
    pictures: tuple[ExtrasSource, ...] = ()

    def __post_init__(self) -> None:
        settle(self)
        if not isinstance(self.pictures, list | tuple):
            raise InvalidRequest("pictures", "pictures must be a list.")
        object.__setattr__(self, "pictures", tuple(map(source_from, self.pictures)))

    @property
    def needs_seed(self) -> bool:
        """Whether a seed that is left open is drawn once for all: as in A1111."""
        return True

    def sized(self, request: GenerationRequest, size: tuple[int, int]) -> GenerationRequest:
        """The request for a source of that size. Raise InvalidRequest where the result would be too large."""
        if not self.scale:
            return request
        width, height = (max(64, round(side * self.scale / 8) * 8) for side in size)
        return replace(request, width=width, height=height)

    def with_settings(self, request: GenerationRequest, text: str) -> tuple[GenerationRequest, tuple[str | None, str | None]]:
        """The request with what an infotext says of the fields that are asked for.

        Returns:
            the request, and name and hash of the checkpoint to take instead of the request's; None where it is to stay.
        """
        told = infotext.parse(text)
        if not self.png_info or not text:
            return request, (None, None)
        restored = infotext.restore(told)
        values: dict[str, Any] = {}
        for option, names in _TAKEN.items():
            if getattr(self, option):
                values |= {name: restored.values[name] for name in names if _is_told(name, told.settings, restored.values)}
        for option, name in _APPENDED.items():
            if getattr(self, option) and (more := restored.values.get(name)):
                values[name] = f"{getattr(request, name)} {more}".strip()
        model = (restored.values.get("checkpoint"), restored.checkpoint_hash) if self.take_model else (None, None)
        return replace(request, **values), model


#: Under which entry an infotext says it; what is not there says nothing, though restoring gives it its default.
_KEYS = {"seed": "Seed", "guidance_scale": "CFG scale", "sampler": "Sampler", "scheduler": "Sampler", "steps": "Steps"}


def _is_told(name: str, settings: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    return name in values and _KEYS[name] in settings
