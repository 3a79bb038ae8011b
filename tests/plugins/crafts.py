"""An extension that adds to every table of the program, for tests."""

from __future__ import annotations

from pathlib import Path

from tests.plugins.writing import write_extension

PLUGIN = '''
from webui.core.samplers import SamplerInfo, SchedulerInfo
from webui.plugins.own_settings import current

@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of every kind."""
    strength: Annotated[float, Param("Strength", low=0, high=1, help="How strong.")] = 0.5
    count: Annotated[int, Param("Count", low=0, high=9)] = 2
    note: Annotated[str, Param("Note", max_length=100)] = "made by craft"
    shape: Annotated[str, Param("Shape", choices=("round", "square"))] = "round"
    soft: Annotated[bool, Param("Soft")] = False

def straight(steps, over):
    high, low = over.ends
    return [high + (low - high) * index / steps for index in range(steps)] + [0.0]

@hookimpl
def register_settings():
    return [Settings]

@hookimpl
def register_samplers():
    return [SamplerInfo("Plain Euler", ("k_plain",), "Straight", churns=True)]

@hookimpl
def register_schedules():
    return [(SchedulerInfo("straight", "Straight"), straight)]

@hookimpl
def register_upscalers():
    return ["Mirror"]

@hookimpl
def register_readers():
    return [("Craftwork", lambda texts, size: texts.get("craftwork"))]

@hookimpl
def alter_infotext(entries):
    return {**entries, "Craft note": current(Settings).note}
'''
ENGINE = """
from PIL import ImageOps
from webui.diffusion.samplers.euler import sample_euler
from webui.plugins.own_settings import current
from .plugin import Settings

@hookimpl
def register_sampler_functions():
    return [("Plain Euler", sample_euler)]

@hookimpl
def register_upscaler_functions():
    return [("Mirror", lambda picture, size: ImageOps.mirror(picture))]

@hookimpl
def alter_image(image):
    return ImageOps.invert(image) if current(Settings).soft else None
"""


def write_craft(folder: Path) -> Path:
    return write_extension(folder, "craft", PLUGIN, engine=ENGINE, manifest='title = "Craft"')
