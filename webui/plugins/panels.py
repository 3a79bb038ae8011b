"""What an extension draws its accordion with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Panel:
    """An extension's accordion in a form; Gradio's own blocks may stand around and between the controls.

    Args:
        tab: "txt2img" or "img2img".
        fields: the extension's options; those that are not drawn come below.
    """

    tab: str
    fields: tuple[str, ...]
    _draw: Callable[..., Any] = field(repr=False)
    _drawn: dict[str, Any] = field(default_factory=dict, repr=False)

    def draw(self, name: str, **options: Any) -> Any:
        """The control of an option where the layout stands; the form reads, remembers and resets it as any other.

        Args:
            options: Gradio's own, such as scale, lines, placeholder.

        Raises:
            ValueError: there is no such option, or it is drawn already.
        """
        if name not in self.fields or name in self._drawn:
            raise ValueError(f"there is no option “{name}”" if name not in self.fields else f"“{name}” is drawn already")
        self._drawn[name] = self._draw(name, **options)
        return self._drawn[name]

    @property
    def left(self) -> list[str]:
        """The options that are not drawn yet."""
        return [name for name in self.fields if name not in self._drawn]
