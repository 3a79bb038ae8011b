"""What a LoRA file is, told from its header: the model family, the kinds of change in it, and what its author wrote.

Standard library only; no tensor is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".safetensors", ".pt", ".ckpt", ".bin")


@dataclass(frozen=True)
class LoraInfo:
    """A file as listed.

    Args:
        name: the file's stem, by which a prompt calls it.
        alias: the name that the trainer gave it (`ss_output_name`), the stem where there is none.
        family: a plain family of `families` ("SD 1.x", "SD 2.x", "SDXL", "SDXL refiner"), or the name of what it is for that is
            not supported ("Flux"); None where the header does not tell: then shapes decide when it is read.
        kinds: in words: "LoRA", "LoCon", "DoRA", "LoHa", …
        parts: of the model that it changes: "unet", "text_encoder", "text_encoder_2".
        ranks: those that occur, rising.
        metadata: the header's own texts (ss_…, modelspec.…).
        problem: in words that go after the file's name, why it cannot be used (None: it can).
    """

    name: str
    path: Path
    size: int = 0
    alias: str = ""
    family: str | None = None
    kinds: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ranks: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    def misfit(self, family: str) -> str | None:
        """A sentence on why a checkpoint of a family (by name, variants too) cannot take it; None: it can, as far as is known."""
        raise NotImplementedError


def inspect_lora(path: Path) -> LoraInfo:
    """Always an answer, if need be with a problem."""
    raise NotImplementedError
