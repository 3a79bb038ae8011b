"""The few tokens that captions use, numbered anew, so that training does not drag 49,408 rows along."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel

from tools.starter_model.modules import TOKENS, VOCABULARY
from webui.checkpoints.tokenizer import clip_tokenizer


class Tokens:
    """CLIP's tokens of some texts. All others are one more row, which stays zero: unknown words say nothing."""

    def __init__(self, texts: Sequence[str]):
        self._tokenizer = clip_tokenizer()
        self.used = sorted({token for ids in self._tokenizer(["", *texts]).input_ids for token in ids})
        self.unknown = len(self.used)
        self._numbers = torch.full((VOCABULARY,), self.unknown, dtype=torch.long)
        self._numbers[self.used] = torch.arange(len(self.used))
        self._known: dict[str, Tensor] = {}
        self._comma = int(self._numbers[self.ids(",")[0]])

    def __len__(self) -> int:
        return len(self.used) + 1

    def encode(self, text: str) -> Tensor:
        """(TOKENS,), padded with the end token."""
        if text not in self._known:
            ids = self._tokenizer(text, padding="max_length", truncation=True, max_length=TOKENS).input_ids
            self._known[text] = self._numbers[torch.tensor(ids)]
        return self._known[text]

    def ids(self, text: str) -> list[int]:
        """CLIP's own numbers, without start and end."""
        return self._tokenizer(text).input_ids[1:-1]

    def with_strangers(self, ids: Tensor, generator: torch.Generator, most: int) -> Tensor:
        """The same with unknown tokens between the others, so that free prompts do no harm: one to `most` of them, half of them
        with a comma behind, as people write."""
        found = ids.tolist()
        length = found.index(found[-1])
        for _ in range(int(torch.randint(most, (), generator=generator)) + 1):
            place = int(torch.randint(1, length + 1, (), generator=generator))
            strange = [self.unknown, self._comma][: 1 + int(torch.randint(2, (), generator=generator))]
            found[place:place] = strange
            length += len(strange)
        return torch.tensor(found[:TOKENS])


def table_of(text_encoder: CLIPTextModel) -> Tensor:
    """The weight of the token table."""
    (table,) = [p for name, p in text_encoder.named_parameters() if name.endswith("token_embedding.weight")]
    return table


@torch.no_grad()
def whole_table(table: Tensor, tokens: Tokens) -> Tensor:
    """(VOCABULARY, width): trained rows in their places, zeros elsewhere."""
    whole = torch.zeros(VOCABULARY, table.shape[1])
    whole[tokens.used] = table[: tokens.unknown].float().cpu()
    return whole


@torch.no_grad()
def rows_of(whole: Tensor, tokens: Tokens, generator: torch.Generator) -> Tensor:
    """The inverse; rows that were never trained begin like strangers to each other, at the spread of the trained ones."""
    rows = whole[tokens.used].float()
    trained = rows.abs().sum(1) > 0
    spread = rows[trained].std() if trained.any() else 0.1
    rows[~trained] = torch.randn(int((~trained).sum()), rows.shape[1], generator=generator) * spread
    return torch.cat([rows, torch.zeros(1, rows.shape[1])])
