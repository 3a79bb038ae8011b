"""The frozen request that goes all the way: form, API, queue, engine, infotext and back to the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeVar

from webui.core.extras import extras_from_json, extras_to_json, find_extra
from webui.core.fields.basic import SEED_LIMIT, VAE_AUTOMATIC, VAE_BUILT_IN, BasicFields
from webui.core.fields.hires import HiresFields
from webui.core.fields.outpaint import OutpaintFields
from webui.core.fields.sampling import SamplingFields
from webui.core.fields.seeds import SeedFields
from webui.core.fields.source import SourceFields
from webui.core.fields.tiling import TilingFields
from webui.core.fields.weights import WeightFields
from webui.core.params import settle
from webui.errors import InvalidRequest

__all__ = ["SEED_LIMIT", "VAE_AUTOMATIC", "VAE_BUILT_IN", "GenerationRequest"]

_Kind = TypeVar("_Kind")


# Dataclasses count the fields of the last base first.
@dataclass(frozen=True, kw_only=True)
class GenerationRequest(
    WeightFields, TilingFields, HiresFields, OutpaintFields, SourceFields, SamplingFields, SeedFields, BasicFields
):
    """Everything that decides a picture: once resolved, it is enough to make the picture again.

    A request is resolved when it is queued: `checkpoint` names a file, `vae` is no longer "Automatic", and no seed that is used
    is −1.
    """

    #: Options of extensions, one dataclass a kind; `extra` reads them. They are checked when the request is queued.
    extras: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        settle(self)

    @property
    def kind(self) -> str:
        """ "img2img" for a request that begins with a picture, else "txt2img"."""
        return "txt2img" if self.source is None else "img2img"

    @property
    def image_count(self) -> int:
        return self.batch_count * self.batch_size

    def single(self, index: int) -> GenerationRequest:
        """The request that makes picture `index` alone.

        Its seed is `seed + index` (modulo 2^64); with a variation all pictures have the same seed and the variation seed
        counts on instead.
        """
        counting = "variation_seed" if self.variation_strength > 0 else "seed"
        seed = (getattr(self, counting) + index) % SEED_LIMIT
        return replace(self, **{counting: seed}, batch_count=1, batch_size=1)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """As `replace`, but only the changes are checked, for the rest was when this one was made: plots make thousands of one.

        Raises:
            InvalidRequest: a value is not allowed, or there is no such field.
        """
        if unknown := next((name for name in changes if name not in vars(self)), None):
            raise InvalidRequest(unknown, f"There is no field “{unknown:.80}” in a request.")
        made = object.__new__(type(self))
        vars(made).update(vars(self), **changes)
        settle(made, changes)
        return made

    def extra(self, kind: type[_Kind]) -> _Kind | None:
        """The options of an extension; None where the request has none of them, which stands for all their defaults."""
        return find_extra(self.extras, kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name, for JSON; `from_dict` is the inverse."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "extras": extras_to_json(self.extras)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raise InvalidRequest for a name that is no field, as for a value out of range."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InvalidRequest(unknown[0], f"There is no field “{unknown[0]:.80}” in a request.")
        return cls(**{**values, "extras": extras_from_json(values.get("extras", ()))})
