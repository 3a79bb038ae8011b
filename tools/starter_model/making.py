"""All stages of a training run, in one process or several, and the command that begins and continues it."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn
from transformers import CLIPTextModel

from tools.starter_model import modules, sources
from tools.starter_model.captions import every_text
from tools.starter_model.company import end_with_leader, end_with_others, join_company
from tools.starter_model.diffusion import Writer, train_pictures, train_text
from tools.starter_model.export import export
from tools.starter_model.latents import fold_statistics, latent_rgb
from tools.starter_model.pictures import PictureSet, draw_emoji, draw_shapes, held_out, join, paint_things
from tools.starter_model.samples import CachedSamples, LiveSamples, Samples
from tools.starter_model.sampling import Model, Wish, make_pictures
from tools.starter_model.sheets import cover_of
from tools.starter_model.start import Start
from tools.starter_model.tokens import Tokens, rows_of, table_of, whole_table
from tools.starter_model.training import Machine, Pace, Recipe, Stage
from tools.starter_model.vae import Batches, plain_pictures, split, train_decoder, train_vae

#: What stands on the file's cover.
_COVER = ("cat", "red heart", "rocket", "castle", "blue car", "rose")

_STAGES = ("vae", "text", "pictures", "decoder")


@dataclass(frozen=True)
class Profile:
    """What differs between a CPU, which learns little in hours, and a GPU.

    Attributes:
        minutes: of each stage.
        text: captions in a batch of the text encoder's stage.
        pictures: noisy latents in a batch of the UNet's.
        rate: of the UNet's stage.
        live: whether pictures are drawn and encoded anew each time, in many sizes and with two things.
    """

    minutes: tuple[float, float, float, float]
    batches: Batches
    text: int
    pictures: int
    rate: float
    decay: float
    live: bool

    def credits(self, start: Start | None) -> dict[str, str]:
        """What a file tells of sizes: nothing where only its own was taught. Of a start it is what that one tells, for a short
        run teaches no size, and on one size the others are not forgotten at once."""
        many = start.many_sizes if start else self.live
        return {"periplus.sizes": "many"} if many else {}


PROFILES = {
    "cpu": Profile((60, 4, 150, 6), Batches(crops=8, wholes=2), 32, 32, 1.2e-3, 0.998, live=False),
    "cuda": Profile((5, 0.7, 11, 0.8), Batches(crops=256, wholes=64), 512, 768, 1.5e-3, 0.999, live=True),
}


@dataclass(frozen=True)
class Lesson:
    """What is taught.

    Attributes:
        wanted: to UNet and text encoder.
        everything: to the VAE.
        unseen: names of pictures that neither gets to see, to measure by.
    """

    wanted: PictureSet
    everything: PictureSet
    unseen: frozenset[str]

    @classmethod
    def of(cls, wanted: PictureSet, everything: PictureSet, unseen_before: frozenset[str] = frozenset()) -> Lesson:
        unseen = held_out(wanted.pictures, unseen_before)
        return cls(_without(wanted, unseen), _without(everything, unseen), unseen)

    def credits(self, start: Start | None) -> dict[str, str]:
        """What a file made of it tells of it. The VAE of a start was kept from what that one tells, if it does, less what its
        decoder is trained on here."""
        things = [self.wanted.pictures[index].name for index in self.wanted.where("thing")]
        told = {"things": things, "unseen": sorted(self.unseen)}
        shown, kept = split(self.everything)
        if start is None:
            told["vae_unseen"] = [picture.name for picture in kept.pictures]
        elif start.vae_unseen is not None:
            told["vae_unseen"] = sorted(start.vae_unseen - {p.thing for p in shown.pictures if p.kind != "shape"})
        return {f"periplus.{name}": json.dumps(names) for name, names in told.items()}


@dataclass(frozen=True)
class Run:
    """What all stages need."""

    folder: Path
    paces: dict[str, Pace]
    profile: Profile
    machine: Machine
    seed: int

    def stage(self, name: str) -> Stage:
        return Stage(self.folder, self.paces[name], self.machine, self.seed + _STAGES.index(name))


def main(description: str) -> None:
    options = _options(description)
    sources.require(options.emojibase, "names")
    sources.require(options.font, "font")
    meeting = options.folder / "meeting"
    options.folder.mkdir(parents=True, exist_ok=True)
    meeting.unlink(missing_ok=True)
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=_work, args=(options, rank), daemon=True) for rank in range(1, options.processes)]
    for other in others:
        other.start()
    over = threading.Event()
    end_with_others(others, over)
    try:
        finished = _work(options, 0)
    except BaseException:
        over.set()
        for other in others:
            other.kill()  # one that trains takes SIGTERM for a wish to end after a step, which it waits for this process to take
        raise
    for other in others:
        other.join()
    if not finished:
        print("stopped; the same command goes on from here")


def _work(options: argparse.Namespace, rank: int) -> bool:
    """What each process does; whether the end was reached."""
    gpu = options.device != "cpu"
    if gpu:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    else:
        torch.set_num_threads(1)  # see `company`
    if rank > 0:
        end_with_leader()
    company = join_company(rank, options.processes, options.folder / "meeting")
    machine = Machine(torch.device(options.device), mixed=gpu, compiled=gpu, company=company)
    run = Run(options.folder, _paces(options), PROFILES["cuda" if gpu else "cpu"], machine, options.seed)
    emoji = sources.read_emoji(options.emojibase)
    everything = _pictures(emoji, options.font, None, tints=False)  # tinted, all emoji would be thousands of pictures more
    wanted = _pictures(emoji, options.font, options.names)
    start = Start.of(options.start) if options.start else None
    return make(run, Lesson.of(wanted, everything, start.unseen if start else frozenset()), start)


def make(run: Run, lesson: Lesson, start: Start | None) -> bool:
    """All stages that are not done yet, then the file; whether the end was reached.

    Args:
        start: a finished model to go on from.
    """
    torch.manual_seed(run.seed)
    device = run.machine.device
    unet = start.unet if start else modules.make_unet(**modules.UNET_SIZES)
    vae = _vae(run, lesson, start)
    if vae is None:
        return False
    tokens = Tokens(every_text(lesson.wanted.pictures))
    text_encoder = modules.make_text_encoder(**modules.TEXT_SIZES, vocabulary=len(tokens))
    nn.Module.to(text_encoder, device)
    writer = Writer(tokens, text_encoder, device)
    samples = _samples(run, lesson.wanted, vae, start)
    if start:
        _take_text(text_encoder, start, tokens, run.seed)
    elif not train_text(writer, samples, run.profile.text, run.stage("text")):
        return False
    recipe = Recipe(rate=run.profile.rate, decay=run.profile.decay, scales={"text": 0.25})
    model = Model(unet, vae, writer.encode)
    if not train_pictures(model, writer, samples, run.profile.pictures, recipe, run.stage("pictures")):
        return False
    vae.requires_grad_(True)
    if not train_decoder(vae, lesson.everything, run.profile.batches, run.stage("decoder")):
        return False
    if run.machine.company.leads:
        _write(run, model, text_encoder, tokens, lesson, start)
    return True


def _vae(run: Run, lesson: Lesson, start: Start | None) -> AutoencoderKL | None:
    """Ready to encode; None where its training was stopped."""
    vae = start.vae if start else modules.make_vae(**modules.VAE_SIZES)
    modules.move(vae, run.machine.device)
    if not start:
        if not train_vae(vae, lesson.everything, run.profile.batches, run.stage("vae")):
            return None
        fold_statistics(vae, _calibration(lesson.wanted, run.machine.device))
    return vae.requires_grad_(False).eval()


def _samples(run: Run, wanted: PictureSet, vae: AutoencoderKL, start: Start | None) -> Samples:
    if run.profile.live:
        return LiveSamples(wanted, vae, run.machine)
    known = frozenset(p.name for p in wanted.pictures if start and p.kind != "painted" and start.knows(p))
    return CachedSamples.made(vae, wanted, run.folder / "latents.pt", run.machine, run.seed, known)


def _write(run: Run, model: Model, text_encoder: CLIPTextModel, tokens: Tokens, lesson: Lesson, start: Start | None) -> None:
    vae = model.vae.eval()
    matrix, bias, explained = latent_rgb(vae, _calibration(lesson.wanted, run.machine.device))
    path = run.folder / "starter.safetensors"
    table = whole_table(table_of(text_encoder), tokens)
    cover = {"modelspec.thumbnail": cover_of(make_pictures(model, list(_COVER), Wish()))}
    extra = lesson.credits(start) | run.profile.credits(start) | cover
    export(path, model.unet, vae, text_encoder, table, (matrix, bias), extra=extra)
    print(f"written: {path}, {path.stat().st_size / 1e6:.1f} MB; R² of the preview {explained:.3f}")


def _calibration(wanted: PictureSet, device: torch.device) -> torch.Tensor:
    return plain_pictures(wanted.some(256), device)


def _take_text(text_encoder: CLIPTextModel, start: Start, tokens: Tokens, seed: int) -> None:
    mine = text_encoder.state_dict()
    theirs = {key: value for key, value in start.text_encoder.state_dict().items() if key in mine}
    (table,) = [key for key in mine if key.endswith("token_embedding.weight")]
    theirs[table] = rows_of(theirs[table], tokens, torch.Generator().manual_seed(seed))
    text_encoder.load_state_dict(theirs, strict=False)


def _pictures(emoji: list[sources.Emoji], font: Path, number: int | None, *, tints: bool = True) -> PictureSet:
    things = draw_emoji(emoji, font, number)
    return join(draw_shapes(), things, paint_things(things, tints=tints))


def _without(pictures: PictureSet, unseen: frozenset[str]) -> PictureSet:
    """What training may see."""
    return pictures.take([i for i, p in enumerate(pictures.pictures) if p.kind != "painted" or p.name not in unseen])


def _paces(options: argparse.Namespace) -> dict[str, Pace]:
    if options.steps:
        return {stage: Pace(steps=steps) for stage, steps in zip(_STAGES, options.steps, strict=True)}
    minutes = options.minutes or PROFILES["cpu" if options.device == "cpu" else "cuda"].minutes
    return {stage: Pace(minutes=time) for stage, time in zip(_STAGES, minutes, strict=True)}


def _options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.starter_model", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where states, sheets and the finished file go; not in the repository")
    parser.add_argument("--emojibase", type=Path, required=True, help="data.json of emojibase-data")
    parser.add_argument("--font", type=Path, default=sources.FONT, help="NotoColorEmoji.ttf")
    parser.add_argument("--names", type=int, default=340, help="how many things to learn, besides the 66 shapes")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--processes", type=int, default=1, help="on a CPU, one for each core that may be used")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="a finished starter model to go on from; keeps its VAE's latents")
    names = [stage.upper() for stage in _STAGES]
    parser.add_argument(
        "--minutes",
        type=float,
        nargs=4,
        metavar=tuple(names),
        help="length of the stages, counted in what a CPU works on them; may change between runs",
    )
    parser.add_argument(
        "--steps",
        type=int,
        nargs=4,
        metavar=tuple(names),
        help="the same in steps; on a CPU, with one process, such a run can be repeated exactly",
    )
    options = parser.parse_args()
    if options.processes > 1 and options.device != "cpu":
        parser.error("--processes is for --device cpu: a GPU is kept busy by one process, and no second one is used")
    return options
