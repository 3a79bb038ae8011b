"""The accordion "Script", which the script draws (`assets/js/scripts.js`), and what it needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from webui.core.params import params_of
from webui.core.request import GenerationRequest
from webui.core.series import SCRIPTS
from webui.core.styles import apply_styles
from webui.storage.styles import Styles
from webui.ui.script import host


def draw(tab: str) -> None:
    """The place where the accordion stands."""
    host(f"{tab}_script", "mountScript", tab, classes=["drawn"])


def describe() -> dict[str, dict[str, dict[str, Any]]]:
    """The options of each script, by its name and the field's."""
    return {
        script: {
            name: {"label": spec.param.label, "default": spec.default, "choices": list(spec.param.choices)}
            for name, spec in params_of(kind).items()
        }
        for script, kind in SCRIPTS.items()
    }


def with_styles(styles: Styles, request: GenerationRequest, names: Sequence[str]) -> GenerationRequest:
    """The request with the texts of these styles in its prompts."""
    prompt, negative_prompt = apply_styles(
        styles.chosen([name.strip() for name in names]), request.prompt, request.negative_prompt
    )
    return replace(request, prompt=prompt, negative_prompt=negative_prompt)
