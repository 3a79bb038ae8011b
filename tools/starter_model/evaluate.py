"""Measure a starter model and write what was found, with a sheet of pictures, into `docs/starter-model.md`.

python -m tools.starter_model.evaluate models/Stable-diffusion/starter.safetensors --emojibase package/en/data.json --write
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tools.starter_model import sources
from tools.starter_model.measures import (
    Found,
    faithfulness,
    find,
    guidance,
    negatives,
    seconds_per_picture,
    share,
    two_things,
    variety,
)
from tools.starter_model.pictures import PictureSet, draw_emoji, draw_shapes, paint_things
from tools.starter_model.sampling import Model, Wish
from tools.starter_model.sheets import save_sheet
from tools.starter_model.start import open_model
from tools.starter_model.vae import plain_pictures, psnr, split
from webui.checkpoints.header import read_header
from webui.checkpoints.tokenizer import clip_tokenizer

_ROOT = Path(__file__).parents[2]
_DOCUMENT = _ROOT / "docs" / "starter-model.md"
_SHEET = _ROOT / "docs" / "images" / "starter-model.png"
_BEGIN, _END = "<!-- measured -->", "<!-- end of what was measured -->"
_SCALES = (2.0, 4.0, 7.0, 10.0)
_STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Material:
    """What a model is compared with."""

    things: PictureSet
    shapes: PictureSet
    unseen: PictureSet
    vae_test: PictureSet


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    model = as_model(options.model)
    material = gather(options.emojibase, options.font, *_taught(options.model))
    lines, shown = measure(model, material, Wish(steps=options.steps, seed=options.seed), options.painted)
    print(lines[-1])
    if options.write:
        _write("\n".join(lines), shown)


def as_model(path: Path) -> Model:
    """As the program loads it; prompts go through its tokenizer without weights or chunks."""
    pipeline = open_model(path)
    encoder = pipeline.text_encoders[0].module

    def encode(texts: list[str]) -> torch.Tensor:
        ids = clip_tokenizer()(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
        return encoder(ids).last_hidden_state

    return Model(pipeline.unet, pipeline.vae, encode)


def gather(emojibase: Path, font: Path, names: Sequence[str], unseen: Sequence[str]) -> Material:
    """The things of these names, and those painted ones that were not shown."""
    emoji = sources.read_emoji(sources.require(emojibase, "names"))
    all_things = draw_emoji(emoji, sources.require(font, "font"), None)
    things = all_things.take([i for i, p in enumerate(all_things.pictures) if p.name in set(names)])
    painted = paint_things(things)
    kept = painted.take([i for i, p in enumerate(painted.pictures) if p.name in set(unseen)])
    return Material(things, draw_shapes(), kept, split(all_things)[1])


def _taught(path: Path) -> tuple[list[str], list[str]]:
    """What the file says that it was taught, and what it was not shown."""
    told = read_header(path).metadata
    if "periplus.things" not in told:
        raise SystemExit(f"{path.name} does not tell what it was taught (periplus.things in its header).")
    return json.loads(told["periplus.things"]), json.loads(told["periplus.unseen"])


def measure(model: Model, material: Material, wish: Wish, painted: int) -> tuple[list[str], list[Found]]:
    """Rows of a table, and what was drawn on the way."""
    shapes = find(model, material.shapes, material.things, wish)
    things = find(model, material.things, material.shapes, wish)
    rows = [_ranks("Things", things), _ranks("Shapes in colours", shapes)]
    some = material.unseen.take(range(0, len(material.unseen.pictures), max(1, len(material.unseen.pictures) // painted)))
    unseen = find(model, some, _others(material, some), wish)
    rows += [
        _row("Shapes drawn in the colour asked for", f"{share(f.word == f.picture.colour for f in shapes):.0f} %"),
        _row(
            f"Things in a colour that training never showed them in ({len(unseen)} pairs)",
            f"{share(f.obedient for f in unseen):.0f} % obeyed: {share(f.word == f.picture.colour for f in unseen):.0f} % "
            f"in the colour, {share(f.shape_rank < 5 for f in unseen):.0f} % the thing",
        ),
    ]
    rows += _settings(model, material, wish)
    rows += _others_rows(model, material, wish)
    missed = sorted(f.picture.name for f in things if f.rank >= 5)
    table = ["| What | Measured |", "|---|---|", *rows]
    return [*table, "", f"Things not among the nearest five: {', '.join(missed) or 'none'}."], [*things, *shapes, *unseen]


def _others(material: Material, asked: PictureSet) -> PictureSet:
    """Things that an asked picture could be mistaken for: all the others."""
    names = {picture.thing for picture in asked.pictures}
    return material.things.take([i for i, p in enumerate(material.things.pictures) if p.name not in names])


def _settings(model: Model, material: Material, wish: Wish) -> list[str]:
    prompts = ["red heart", "blue circle", "banana", "house", "cat", "tree", "pizza", "rocket"]
    scales = guidance(model, prompts, _SCALES, wish)
    gone = negatives(model, ["heart", "star", "circle", "square"], wish)
    strengths = faithfulness(model, _sources(material), _STRENGTHS, wish)
    return [
        _row("CFG scale: unlikeness to scale 1", _series(_SCALES, scales)),
        _row("A colour in the negative prompt goes away", f"{gone:.0f} %"),
        _row("img2img: unlikeness to the source, by strength", _series(_STRENGTHS, [f.to_source for f in strengths])),
        _row("img2img: unlikeness to what the prompt means", _series(_STRENGTHS, [f.to_prompt for f in strengths])),
    ]


def _sources(material: Material) -> PictureSet:
    """A few shapes that differ in form and colour."""
    wanted = ("red heart", "blue star", "green circle", "yellow square", "purple triangle", "orange diamond")
    names = [picture.name for picture in material.shapes.pictures]
    return material.shapes.take([names.index(name) for name in wanted])


def _others_rows(model: Model, material: Material, wish: Wish) -> list[str]:
    seeds = variety(model, ["cat", "red car", "house", "tree"], wish)
    both, sides = two_things(model, material.things.take(range(40)), 24, wish)
    pictures = plain_pictures(material.vae_test, torch.device("cpu"))
    with torch.no_grad():
        figures = torch.cat([psnr(model.vae, part) for part in pictures.split(8)])
    return [
        _row("Unlikeness of two seeds of one prompt", f"{seeds:.2f}"),
        _row("Two things in one picture", f"both {both:.0f} %, each on its side {sides:.0f} %"),
        _row(f"VAE on {len(figures)} pictures that it was not trained on", f"{figures.mean():.1f} dB (mean of their PSNR)"),
        _row("Processor time of a picture, 20 steps, one core", f"{seconds_per_picture(model, Wish()):.2f} s"),
    ]


def _ranks(label: str, found: list[Found]) -> str:
    return _row(
        f"{label} ({len(found)}): the right one is the nearest, among the nearest five",
        f"{share(f.rank == 0 for f in found):.1f} %, {share(f.rank < 5 for f in found):.1f} %",
    )


def _series(keys: tuple[float, ...], figures: list[float]) -> str:
    return ", ".join(f"{key:g}: {figure:.2f}" for key, figure in zip(keys, figures, strict=True))


def _row(what: str, figure: str) -> str:
    """Told at once, for the whole takes minutes."""
    row = f"| {what} | {figure} |"
    print(row, flush=True)
    return row


def _write(text: str, shown: list[Found]) -> None:
    """Replace what stands between the two marks of the document, and the sheet."""
    document = _DOCUMENT.read_text("utf-8")
    before, _, rest = document.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", "utf-8")
    some = shown[:: max(1, len(shown) // 96)][:96]
    images = [torch.nn.functional.interpolate(f.drawn[None], scale_factor=0.75, mode="area")[0] for f in some]
    save_sheet(images, _SHEET, columns=12, captions=[f.picture.name for f in some], colours=128)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.starter_model.evaluate", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--emojibase", type=Path, required=True, help="data.json of emojibase-data")
    parser.add_argument("--font", type=Path, default=sources.FONT, help="NotoColorEmoji.ttf")
    parser.add_argument("--painted", type=int, default=60, help="how many pairs of colour and thing to ask for")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/starter-model.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
