"""Train the text encoder to say what is seen, then UNet and text encoder together to draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from tools.starter_model.modules import TOKENS, alphas_cumprod, move
from tools.starter_model.samples import Samples
from tools.starter_model.sampling import Model, Wish, make_pictures
from tools.starter_model.sheets import save_sheet
from tools.starter_model.tokens import Tokens, table_of
from tools.starter_model.training import Figures, Position, Recipe, Stage, Trainer

#: Drawn on every sample sheet, in this order, eight a row.
SHEET_PROMPTS = (
    "red heart|blue heart|green circle|yellow star|red apple|banana|pizza|rose|"
    "sun|house|car|rocket|dog|cat|butterfly|frog|"
    "zebra|shark|avocado|cactus|guitar|castle|teapot|robot|"
    "blue car|green cat|purple umbrella|pink whale|yellow balloon|red fish|"
    "a blue circle on a yellow background|a tree on a pink background"
).split("|")

_NO_CAPTION = 0.1

#: How often words that nobody taught stand in a caption, and how many at most.
_STRANGERS = (0.15, 4)
#: The same where the caption was dropped: many negative prompts are made of nothing else.
_ONLY_STRANGERS = (0.4, 24)


@dataclass(frozen=True)
class Writer:
    """Turns captions into the text encoder's input."""

    tokens: Tokens
    text_encoder: CLIPTextModel
    device: torch.device

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(batch, TOKENS, width)."""
        return self.read(torch.stack([self.tokens.encode(text) for text in texts]))

    def read(self, ids: Tensor) -> Tensor:
        return self.text_encoder(ids.to(self.device)).last_hidden_state

    def disturbed(self, texts: Sequence[str], generator: torch.Generator, dropped: float) -> Tensor:
        """Ids of the captions; some are dropped, for guidance, and some get words that nobody taught."""
        chances = torch.rand(len(texts), 2, generator=generator).tolist()
        rows = []
        for text, (drop, disturb) in zip(texts, chances, strict=True):
            said, (often, most) = ("", _ONLY_STRANGERS) if drop < dropped else (text, _STRANGERS)
            ids = self.tokens.encode(said)
            rows.append(self.tokens.with_strangers(ids, generator, most) if disturb < often else ids)
        return torch.stack(rows)

    @torch.no_grad()
    def silence_strangers(self) -> None:
        table_of(self.text_encoder)[self.tokens.unknown] = 0


def train_text(writer: Writer, samples: Samples, batch: int, stage: Stage) -> bool:
    """Every output of the text encoder, and their mean, learn to tell the latents through one linear layer.

    Without it cross-attention finds nothing to follow for a long time.
    """
    text_encoder, device = writer.text_encoder, writer.device
    shape = samples.draw(8, torch.Generator().manual_seed(0))[0].shape[1:]
    pooled = nn.AdaptiveAvgPool2d(16)
    head = nn.Linear(text_encoder.config.hidden_size, shape[0] * 256).to(device)
    nn.init.zeros_(head.weight)
    with torch.no_grad():
        table_of(text_encoder).normal_(0, 0.1, generator=torch.Generator(device).manual_seed(stage.seed))
    recipe = Recipe(rate=2.5e-3, hold=0.0, warmup=30)
    trainer = Trainer("text", stage, recipe, {"text": text_encoder, "head": head})

    def loss_of(_position: Position) -> tuple[Tensor, Figures]:
        writer.silence_strangers()
        latents, _, texts = samples.draw(batch, trainer.generator)
        outputs = writer.read(writer.disturbed(texts, trainer.generator, 0.0))
        at = torch.randperm(TOKENS - 3, generator=trainer.generator)[:12] + 3
        told = head(torch.cat([outputs[:, at.to(device)], outputs.mean(1, keepdim=True)], 1))
        wanted = pooled(latents.to(device)).flatten(1)[:, None]
        errors = (told - wanted).square().mean((0, 2))
        return errors[:-1].mean() + errors[-1], {"error of a token": errors[:-1].mean().item(), "of the mean": errors[-1].item()}

    finished = trainer.run(loss_of)
    writer.silence_strangers()
    return finished


def train_pictures(model: Model, writer: Writer, samples: Samples, batch: int, recipe: Recipe, stage: Stage) -> bool:
    """Predict the velocity at all noise levels alike; every caption serves one low and one high level.

    Source: Salimans and Ho 2022, appendix D, arXiv:2202.00512.
    """
    machine, device, unet = stage.machine, stage.machine.device, model.unet
    move(unet, device)
    alphas = alphas_cumprod().to(device)
    trainer = Trainer("pictures", stage, recipe, {"unet": unet, "text": writer.text_encoder})
    predict = machine.fast(unet)

    def loss_of(_: Position) -> tuple[Tensor, Figures]:
        writer.silence_strangers()
        first, second, texts = samples.draw(batch // 2, trainer.generator)
        latents = torch.cat([first, second]).to(device, memory_format=torch.channels_last)
        half = torch.randint(500, (len(latents),), generator=trainer.generator)
        timesteps = (half + 500 * (torch.arange(len(latents)) >= len(first))).to(device)
        noise = torch.randn(latents.shape, generator=trainer.noise, device=device)
        signal, spread = (part.sqrt()[:, None, None, None] for part in (alphas[timesteps], 1 - alphas[timesteps]))
        with machine.autocast():
            context = writer.read(writer.disturbed(texts, trainer.generator, _NO_CAPTION)).repeat(2, 1, 1)
            found = predict(signal * latents + spread * noise, timesteps, context).sample
        loss = (found.float() - (signal * noise - spread * latents)).square().mean()
        return loss, {"loss": loss.item()}

    drawn = [0]

    def on_save(position: Position) -> str:
        drawn[0] += 1
        if drawn[0] % 3 and position.progress < 1:
            return ""
        writer.silence_strangers()
        parts: list[list[str]] = [list(SHEET_PROMPTS[begin : begin + 8]) for begin in range(0, len(SHEET_PROMPTS), 8)]
        pictures = torch.cat([make_pictures(model, part, Wish(steps=10)) for part in parts])
        save_sheet(list(pictures), stage.folder / f"samples-{position.step:06}.png", columns=8, captions=SHEET_PROMPTS)
        return f"samples-{position.step:06}.png"

    finished = trainer.run(loss_of, on_save=on_save)
    writer.silence_strangers()
    return finished
