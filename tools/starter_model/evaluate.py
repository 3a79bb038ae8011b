"""Measure a starter model and write what was found, with a sheet of pictures, into `docs/starter-model.md`.

python -m tools.starter_model.evaluate models/Stable-diffusion/starter.safetensors --emojibase package/en/data.json --write
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tools.starter_model import sources
from tools.starter_model.lookup import Found, Known, find, own_word
from tools.starter_model.measures import (
    colours_of_two,
    faithfulness,
    guidance,
    in_size,
    negatives,
    rises,
    seconds_per_picture,
    share,
    two_things,
    variety,
)
from tools.starter_model.page import around, write_measured
from tools.starter_model.pictures import PictureSet, ask_in_colours, draw_emoji, draw_shapes, evenly, join, paint_things
from tools.starter_model.sampling import Model, Wish
from tools.starter_model.sheets import save_sheet
from tools.starter_model.start import open_model
from tools.starter_model.vae import plain_pictures, psnr, split
from webui.checkpoints.header import read_header
from webui.checkpoints.tokenizer import clip_tokenizer
from webui.generation import devices

_ROOT = Path(__file__).parents[2]
_DOCUMENT = _ROOT / "docs" / "starter-model.md"
_SHEET = _ROOT / "docs" / "images" / "starter-model.png"
_SCALES = (2.0, 4.0, 7.0, 10.0)
_STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
#: Words that people write and the model was not taught: around what they ask for, and in the negative prompt.
_STRANGE = "masterpiece, highly detailed {}, cinematic, octane render"
_STRANGE_NEGATIVE = "lowres, blurry, jpeg artifacts, watermark, deformed"
#: Heights and widths.
_SIZES = ((96, 96), (96, 128), (128, 96), (128, 192), (192, 128), (160, 160), (160, 256), (256, 160), (256, 256))


@dataclass(frozen=True)
class Taught:
    """What a file says of its training.

    Attributes:
        things: names of what it was taught.
        unseen: names of painted things that it was not shown.
        vae_unseen: names of what its VAE was never trained on; None where the file does not say.
        sizes: whether it was taught other sizes than its own.
    """

    things: frozenset[str]
    unseen: frozenset[str]
    vae_unseen: frozenset[str] | None = None
    sizes: bool = False

    @classmethod
    def told_by(cls, path: Path) -> Taught:
        told = read_header(path).metadata
        if "periplus.things" not in told:
            raise SystemExit(f"{path.name} does not tell what it was taught (periplus.things in its header).")

        def names(key: str) -> frozenset[str] | None:
            listed = told.get(f"periplus.{key}")
            return None if listed is None else frozenset(json.loads(listed))

        things, unseen = names("things") or frozenset(), names("unseen") or frozenset()
        return cls(things, unseen, names("vae_unseen"), told.get("periplus.sizes") == "many")


@dataclass(frozen=True)
class Material:
    """What a model is compared with.

    Attributes:
        painted: all things of one colour in the others, taught and not.
        unseen: those painted ones that were not shown, but for those that are of this colour anyway.
        unpainted: see `ask_in_colours`.
        vae_test: things that the VAE was not trained on where `held_out`; else ones that are not taught.
    """

    things: PictureSet
    shapes: PictureSet
    painted: PictureSet
    unseen: PictureSet
    unpainted: PictureSet
    vae_test: PictureSet
    held_out: bool

    @property
    def everything(self) -> PictureSet:
        return join(self.things, self.shapes, self.painted)


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        seeds: of each thing, shape and painted thing.
        painted: how many pairs of colour and thing are asked for, of things that training painted and of others.
        more: whether other sizes and the colours of two things are measured too.
        sizes: see `Taught`.
    """

    seeds: int = 1
    painted: int = 80
    more: bool = False
    sizes: bool = False


def main() -> None:
    options = _options()
    if options.write:
        around(_DOCUMENT)
    torch.set_num_threads(options.threads)
    model = as_model(options.model)
    taught = Taught.told_by(options.model)
    material = gather(options.emojibase, options.font, taught)
    extent = Extent(options.seeds, options.painted, options.more, taught.sizes)
    wish = Wish(steps=options.steps, seed=options.seed)
    lines, shown = measure(model, material, wish, extent)
    lines += ["", conditions(options.model, wish, extent)]
    print("\n".join(lines[-3:]))
    if options.write:
        write_measured(_DOCUMENT, "\n".join(lines))
        show(shown, _SHEET)


def as_model(path: Path) -> Model:
    """As the program loads it; prompts go through its tokenizer without weights or chunks."""
    pipeline = open_model(path)
    encoder = pipeline.text_encoders[0].module

    def encode(texts: list[str]) -> torch.Tensor:
        ids = clip_tokenizer()(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
        return encoder(ids).last_hidden_state

    return Model(pipeline.unet, pipeline.vae, encode)


def gather(emojibase: Path, font: Path, taught: Taught) -> Material:
    """The things that were taught, painted and not, and what the VAE is measured by."""
    emoji = sources.read_emoji(sources.require(emojibase, "names"))
    all_things = draw_emoji(emoji, sources.require(font, "font"), None)
    names = [picture.name for picture in all_things.pictures]
    things = all_things.take([i for i, name in enumerate(names) if name in taught.things])
    painted = paint_things(things)
    words = own_word(things)
    own = dict(zip((p.name for p in things.pictures), words, strict=True))
    unseen = [i for i, p in enumerate(painted.pictures) if p.name in taught.unseen and p.colour != own[p.thing]]
    kept = taught.vae_unseen
    if kept is None:
        kept = frozenset(p.name for p in split(all_things)[1].pictures) - taught.things
    vae_test = all_things.take([i for i, name in enumerate(names) if name in kept])
    shown = {p.thing for p in painted.pictures if p.name in taught.unseen}  # of each painted thing one colour is kept back
    unpainted = ask_in_colours(things, words, painted.take([i for i, p in enumerate(painted.pictures) if p.thing in shown]))
    held_out = taught.vae_unseen is not None
    return Material(things, draw_shapes(), painted, painted.take(unseen), unpainted, vae_test, held_out)


def measure(model: Model, material: Material, wish: Wish, extent: Extent) -> tuple[list[str], list[Found]]:
    """Rows of a table, and what was drawn on the way with the first seed."""
    known = Known.of(material.everything)
    seeds = [replace(wish, seed=wish.seed + index) for index in range(extent.seeds)]
    some, others = material.unseen.some(extent.painted), material.unpainted.some(extent.painted)
    shapes, things, unseen, unpainted = (
        [find(model, asked, known, one) for one in seeds] for asked in (material.shapes, material.things, some, others)
    )
    rows = [
        _ranks("Things", things),
        _ranks("Shapes in colours", shapes),
        _row("Shapes drawn in the colour asked for", _told(shapes, lambda f: f.coloured)),
        *([_obeyed("Things in a colour that training never showed them in", unseen)] if some.pictures else []),
        *([_obeyed("Things that training painted in no colour, asked for in one", unpainted)] if others.pictures else []),
        *_among_strangers(model, material.things.some(40), known, wish),
        _chance(known),
        *_settings(model, material, wish),
        *_others(model, material, wish),
    ]
    if extent.more:
        rows += _more(model, material, wish, extent)
    missed = sorted({f.picture.name for f in things[0]} - {f.picture.name for found in things for f in found if f.rank < 5})
    table = ["| What | Measured |", "|---|---|", *rows]
    with_any = " with any seed" if extent.seeds > 1 else ""
    shown = [*things[0], *shapes[0], *unseen[0]]
    return [*table, "", f"Things not among the nearest five{with_any}: {', '.join(missed) or 'none'}."], shown


def _among_strangers(model: Model, asked: PictureSet, known: Known, wish: Wish) -> list[str]:
    around = find(model, asked, known, wish, _STRANGE)
    without = find(model, asked, known, replace(wish, negative=_STRANGE_NEGATIVE))
    return [
        _ranks(f'Things among words that it was not taught, as "{_STRANGE.format("…")}"', [around]),
        _ranks(f'Things with a negative prompt of such words, "{_STRANGE_NEGATIVE}"', [without]),
    ]


def _ranks(label: str, found: list[list[Found]]) -> str:
    return _row(
        f"{label} ({len(found[0])}): the right one is the nearest, among the nearest five",
        f"{_told(found, lambda f: f.rank == 0)}, {_told(found, lambda f: f.rank < 5)}",
    )


def _obeyed(label: str, found: list[list[Found]]) -> str:
    return _row(
        f"{label} ({len(found[0])} pairs)",
        f"{_told(found, lambda f: f.obedient)} obeyed, {_told(found, lambda f: f.exact)} if only the nearest thing counts: "
        f"{_told(found, lambda f: f.coloured)} in the colour, {_told(found, lambda f: f.shape_rank < 5)} the thing",
    )


def _told(found: list[list[Found]], truth: Callable[[Found], bool]) -> str:
    """The share of pictures of which it is true, and from which seed to which it goes."""
    shares = [share(truth(f) for f in of_seed) for of_seed in found]
    mean = f"{sum(shares) / len(shares):.1f} %"
    return mean if len(shares) == 1 else f"{mean} ({min(shares):.1f} to {max(shares):.1f} by seed)"


def _chance(known: Known) -> str:
    subjects, pictures = len(set(known.subjects)), len(known.pictures)
    return _row(
        f"By chance, one of the nearest five of {subjects} things and forms, of {pictures} pictures",
        f"{500 / max(5, subjects):.1f} %, {500 / max(5, pictures):.1f} %",
    )


def _settings(model: Model, material: Material, wish: Wish) -> list[str]:
    prompts = ["red heart", "blue circle", "banana", "house", "cat", "tree", "pizza", "rocket"]
    scales = guidance(model, prompts, _SCALES, wish)
    gone = negatives(model, ["heart", "star", "circle", "square"], wish)
    strengths = faithfulness(model, _sources(material), _STRENGTHS, wish)
    from_source, from_prompt = [f.to_source for f in strengths], [f.to_prompt for f in strengths]
    return [
        _row("CFG scale: unlikeness to scale 1", f"{_series(_SCALES, scales)}; always rises: {_yes(rises(scales))}"),
        _row(
            "A colour in the negative prompt: the part of a shape that has it",
            f"{gone.without:.0f} % without, {gone.named:.0f} % with it, {gone.control:.0f} % with another colour in its place; "
            f"with it {gone.kept:.0f} % of the pictures still show the shape",
        ),
        _row(
            "img2img: unlikeness to the source, by strength",
            f"{_series(_STRENGTHS, from_source)}; always rises: {_yes(rises(from_source))}",
        ),
        _row(
            "img2img: unlikeness to what the prompt means",
            f"{_series(_STRENGTHS, from_prompt)}; always falls: {_yes(rises(from_prompt[::-1]))}",
        ),
    ]


def _sources(material: Material) -> PictureSet:
    """A few shapes that differ in form and colour."""
    wanted = ("red heart", "blue star", "green circle", "yellow square", "purple triangle", "orange diamond")
    names = [picture.name for picture in material.shapes.pictures]
    return material.shapes.take([names.index(name) for name in wanted])


def _others(model: Model, material: Material, wish: Wish) -> list[str]:
    seeds = variety(model, ["cat", "red car", "house", "tree"], wish)
    both, sides = two_things(model, material.things, 24, wish)
    return [
        _row("Unlikeness of two seeds of one prompt", f"{seeds:.2f}"),
        _row("Two things in one picture", f"both {both:.0f} %, each on its side {sides:.0f} %"),
        _vae(model, material),
        _row("Processor time of a picture, 20 steps, one core", f"{seconds_per_picture(model, Wish()):.2f} s"),
    ]


def _vae(model: Model, material: Material) -> str:
    number = len(material.vae_test.pictures)
    kept = "held out: it was never trained on them" if material.held_out else "that are not taught as things"
    if not number:
        return _row("VAE", "all pictures are taught")
    pictures = plain_pictures(material.vae_test, torch.device("cpu"))
    with torch.no_grad():
        figures = torch.cat([psnr(model.vae, part) for part in pictures.split(8)])
    return _row(f"VAE on {number} pictures {kept}", f"{figures.mean():.1f} dB (mean of their PSNR)")


def _more(model: Model, material: Material, wish: Wish, extent: Extent) -> list[str]:
    """Of what only a model that was trained on a GPU was taught."""
    said = "other sizes were taught" if extent.sizes else "no other size was taught"
    asked, everything = material.things.some(12), material.everything
    rows = []
    for height, width in _SIZES:
        first, five = in_size(model, asked, everything, replace(wish, size=(height, width)))
        what = f"Pictures at {width} × {height} ({said}): the right one is the nearest, among the nearest five"
        rows.append(_row(what, f"{first:.0f} %, {five:.0f} %"))
    two = colours_of_two(model, material.things, material.painted, 24, wish)
    if two:
        figures = (
            f"both {two.both:.0f} %; both and the colour at the right one {two.right:.0f} %, at the other {two.astray:.0f} %"
        )
        rows.append(_row('"A cat and a red ball"', figures))
    return rows


def conditions(path: Path, wish: Wish, extent: Extent) -> str:
    """What the figures are of, in words."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    seeds = f"seed {wish.seed}" if extent.seeds == 1 else f"seeds {wish.seed} to {wish.seed + extent.seeds - 1}"
    return (
        f"Measured with {wish.steps} steps, CFG scale {wish.guidance_scale:g} and {seeds} (negative prompts and unlikeness of "
        f"seeds: 1 to 4), of `{path.name}` with the SHA-256 `{digest}`. The time is the processor's, of one thread, prompt and "
        f"decoding included, the least of four pictures, on {devices.name(torch.device('cpu'))}."
    )


def _series(keys: Sequence[float], figures: Sequence[float]) -> str:
    return ", ".join(f"{key:g}: {figure:.2f}" for key, figure in zip(keys, figures, strict=True))


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _row(what: str, figure: str) -> str:
    """Told at once, for the whole takes minutes."""
    row = f"| {what} | {figure} |"
    print(row, flush=True)
    return row


def show(found: list[Found], sheet: Path) -> None:
    """Some of the pictures, small."""
    some = [found[index] for index in evenly(len(found), 96)]
    images = [torch.nn.functional.interpolate(f.drawn[None], scale_factor=0.75, mode="area")[0] for f in some]
    save_sheet(images, sheet, columns=12, captions=[f.picture.name for f in some], colours=128)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.starter_model.evaluate", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--emojibase", type=Path, required=True, help="data.json of emojibase-data")
    parser.add_argument("--font", type=Path, default=sources.FONT, help="NotoColorEmoji.ttf")
    parser.add_argument("--painted", type=int, default=80, help="how many pairs of colour and thing to ask for")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="draw things, shapes and pairs with so many seeds, from --seed on")
    parser.add_argument(
        "--more",
        action="store_true",
        help="also other sizes, and a colour for one of two things: for models that were taught them",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/starter-model.md")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds is how many are drawn with: at least 1")
    return options


if __name__ == "__main__":
    main()
