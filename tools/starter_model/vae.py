"""Train the VAE on crops, then on whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from tools.starter_model.canvas import GROUND_WORDS, Places, grounds, over, place, premultiplied
from tools.starter_model.modules import SCALING_FACTOR, decode, encode, move
from tools.starter_model.passthrough import start_as_passthrough
from tools.starter_model.pictures import SIZE, PictureSet
from tools.starter_model.sheets import save_sheet
from tools.starter_model.training import Figures, Position, Recipe, Stage, Trainer, choose

#: One picture of twenty is kept from the VAE, to measure it by.
_KEPT_ONE_OF = 20


@dataclass(frozen=True)
class Batches:
    """Crops of 64 pixels for the first part, whole pictures after it."""

    crops: int
    wholes: int
    crop_part: float = 0.6


class Painter:
    """Draws batches of training pictures from a set."""

    def __init__(self, pictures: PictureSet, device: torch.device):
        self.layers = premultiplied(torch.from_numpy(pictures.pixels)).to(device)
        self.device = device
        shares = {"thing": 0.72, "painted": 0.18, "shape": 0.1}
        counts = {kind: max(1, len(pictures.where(kind))) for kind in shares}
        self.weights = [shares[picture.kind] / counts[picture.kind] for picture in pictures.pictures]

    def batch(self, number: int, side: int, generator: torch.Generator) -> Tensor:
        """(number, 3, side, side) in −1…1; a side below SIZE is a crop at the same resolution."""
        indices = choose(self.weights, number, generator)
        places = Places.drawn(number, generator, low=0.84, high=1.06, shift=0.04, mirror=0.5)
        if side < SIZE:
            offsets = (torch.rand(number, 2, generator=generator) - 0.5) * (1 - side / SIZE)
            places = Places(places.scale * SIZE / side, (places.centre + offsets) * SIZE / side, places.mirrored)
        words = torch.randint(len(GROUND_WORDS), (number,), generator=generator)
        words = words * (torch.rand(number, generator=generator) < 0.6)
        swapped = torch.rand(number, generator=generator) < 0.15
        order = torch.stack([torch.randperm(3, generator=generator) if swap else torch.arange(3) for swap in swapped])
        canvas = over(
            place(self.layers[indices.to(self.device)], places, (side, side)), grounds(words, (side, side), self.device)
        )
        canvas = canvas.gather(1, order.to(self.device)[:, :, None, None].expand_as(canvas))
        return (canvas * 2 - 1).contiguous(memory_format=torch.channels_last)


def split(pictures: PictureSet) -> tuple[PictureSet, PictureSet]:
    """For training, and to measure: every twentieth thing, and what was painted from it, is never trained on."""
    things = [pictures.pictures[index].name for index in pictures.where("thing")]
    kept = set(things[_KEPT_ONE_OF // 2 :: _KEPT_ONE_OF] or things[-1:])
    test = [i for i, p in enumerate(pictures.pictures) if p.kind == "thing" and p.name in kept]
    train = [i for i, p in enumerate(pictures.pictures) if p.kind == "shape" or p.thing not in kept]
    return pictures.take(train), pictures.take(test)


def reconstruction_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Squares for the figure, absolute values and differences of neighbours for edges that look sharp."""
    squares = (found - wanted).square().mean()
    absolute = (found - wanted).abs().mean()
    edges = sum((a - b).abs().mean() for a, b in zip(_differences(found), _differences(wanted), strict=True))
    return 4 * squares + 0.5 * absolute + 0.3 * edges


def _differences(pictures: Tensor) -> tuple[Tensor, Tensor]:
    return pictures[..., 1:] - pictures[..., :-1], pictures[:, :, 1:] - pictures[:, :, :-1]


def psnr(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Peak signal to noise in dB of each picture, (batch, 3, height, width) in −1…1, after encoding and decoding."""
    return _psnr(decode(vae, encode(vae, pictures)), pictures)


def _psnr(found: Tensor, wanted: Tensor) -> Tensor:
    return 10 * torch.log10(4 / (found.clamp(-1, 1) - wanted).square().mean((1, 2, 3)).clamp_min(1e-9))


def plain_pictures(pictures: PictureSet, device: torch.device) -> Tensor:
    """Each at its middle size on white, (number, 3, SIZE, SIZE) in −1…1."""
    number = len(pictures.pictures)
    places = Places(torch.full((number,), 0.97), torch.zeros(number, 2), torch.zeros(number, dtype=torch.bool))
    layers = premultiplied(torch.from_numpy(pictures.pixels)).to(device)
    white = grounds(torch.zeros(number, dtype=torch.long), (SIZE, SIZE), device)
    return over(place(layers, places, (SIZE, SIZE)), white) * 2 - 1


def train_vae(vae: AutoencoderKL, pictures: PictureSet, batches: Batches, stage: Stage) -> bool:
    """Train to the end of the pace; whether it was reached. The averaged weights are in `vae` then."""
    machine, device = stage.machine, stage.machine.device
    train, test = split(pictures)
    painter = Painter(train, device)
    move(vae, device)
    start_as_passthrough(vae, painter.batch(16, SIZE, torch.Generator().manual_seed(stage.seed)))
    into_features, into_pixels = machine.fast(vae.encoder), machine.fast(vae.decoder)
    into, out = outer_convolutions(vae)
    modules = {"encoder": vae.encoder, "quant_conv": into, "post_quant_conv": out, "decoder": vae.decoder}
    trainer = Trainer("vae", stage, Recipe(rate=1.5e-3, hold=0.35, decay=0.995), modules)

    def loss_of(position: Position) -> tuple[Tensor, Figures]:
        crops = position.progress < batches.crop_part
        number, side = (batches.crops, SIZE // 2) if crops else (batches.wholes, SIZE)
        wanted = painter.batch(number, side, trainer.generator)
        with machine.autocast():
            mean, log_variance = into(into_features(wanted)).float().chunk(2, 1)
            log_variance = log_variance.clamp(-20, 10)
            noise = torch.randn(mean.shape, generator=trainer.noise, device=device)
            found = into_pixels(out(mean + noise * ((0.5 * log_variance).exp() + 0.02))).float()
        loss = reconstruction_loss(found, wanted)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        near_pixels = (mean[:, :3] - functional.avg_pool2d(wanted, 8)).square().mean()
        hold = 0.01 + 0.1 * max(0.0, 1 - position.progress / 0.3)  # colours stay where the preview finds them
        return loss + 1e-4 * divergence + hold * near_pixels, {"loss": loss.item(), "KL": divergence.item()}

    return trainer.run(loss_of, on_save=_judge(vae, test, stage.folder / "vae.png", device))


def train_decoder(vae: AutoencoderKL, pictures: PictureSet, batches: Batches, stage: Stage) -> bool:
    """Train the decoder alone, on latents with as much noise as a UNet leaves; they stay as they are."""
    machine, device = stage.machine, stage.machine.device
    train, test = split(pictures)
    painter = Painter(train, device)
    move(vae, device)
    into_pixels = machine.fast(vae.decoder)
    _, out = outer_convolutions(vae)
    recipe = Recipe(rate=5e-4, hold=0.1, warmup=20, decay=0.99)
    trainer = Trainer("decoder", stage, recipe, {"post_quant_conv": out, "decoder": vae.decoder})

    def loss_of(position: Position) -> tuple[Tensor, Figures]:
        wanted = painter.batch(batches.wholes, SIZE, trainer.generator)
        with machine.autocast():
            with torch.no_grad():
                latents = encode(vae, wanted).float()
            noise = torch.randn(latents.shape, generator=trainer.noise, device=device)
            strength = torch.rand(len(latents), 1, 1, 1, generator=trainer.noise, device=device)
            found = into_pixels(out(latents + 0.1 / SCALING_FACTOR * strength * noise)).float()
        loss = reconstruction_loss(found, wanted)
        return loss, {"loss": loss.item()}

    return trainer.run(loss_of, on_save=_judge(vae, test, stage.folder / "decoder.png", device))


def outer_convolutions(vae: AutoencoderKL) -> tuple[nn.Conv2d, nn.Conv2d]:
    """`quant_conv` and `post_quant_conv`, which every VAE of SD 1.x has."""
    assert vae.quant_conv is not None and vae.post_quant_conv is not None
    return vae.quant_conv, vae.post_quant_conv


def _judge(vae: AutoencoderKL, test: PictureSet, path: Path, device: torch.device) -> Callable[[Position], str]:
    """Measures on held-out pictures, and draws a sheet of them: as they are, and as they come back."""
    shown = plain_pictures(test.take(range(min(24, len(test.pictures)))), device)

    def on_save(_: Position) -> str:
        back = torch.cat([decode(vae, encode(vae, part)) for part in shown.split(8)])
        save_sheet([*shown, *back], path, columns=12)
        return f"held-out pictures: {_psnr(back, shown).mean():.2f} dB"

    return on_save
