"""Styles in the form: the list under the prompts, its two buttons, and what the script's dialog asks of the server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from webui.core.styles import Style, apply_styles, find_styles
from webui.errors import WebUIError
from webui.storage.styles import Styles
from webui.ui import prompt_tools
from webui.ui.form import Form, lenient
from webui.ui.script import call
from webui.ui.services import PageServices
from webui.ui.texts import t

_PROMPTS = ("prompt", "negative_prompt")

#: What stands before a file's styles where there are several files; no style can have such a name.
_DIVIDER = "#"


def choices(styles: Styles) -> list[tuple[str, str]]:
    """(label, name). Where styles come from several files, a line with the file's name leads each file's own."""
    known = [style.name for style in styles.all()]
    files = [file for file in styles.files() if file.styles]
    if len(files) < 2:
        return [(name, name) for name in known]
    found: list[tuple[str, str]] = []
    for file in files:
        found.append((f"── {file.path.name} ──", _DIVIDER + str(file.path)))
        found += [(style.name, style.name) for style in file.styles if (style.name, style.name) not in found]
    return found


def names_of(payload: Any) -> list[str]:
    """The names in what the list holds; a divider is none."""
    given = payload if isinstance(payload, list) else []
    return [name for name in given if isinstance(name, str) and not name.startswith(_DIVIDER)]


def merged(styles: Styles, payloads: Mapping[str, Any], chosen: Any) -> dict[str, Any]:
    """The form's values with the chosen styles in both prompts: what is queued. What is no text is left to be refused."""
    texts = [payloads[name] for name in _PROMPTS]
    if not all(isinstance(text, str) for text in texts):
        return dict(payloads)
    found = styles.chosen(names_of(chosen))
    return {**payloads, **dict(zip(_PROMPTS, apply_styles(found, *texts), strict=True))}


def stored_names(styles: Styles, text: str | None) -> list[str]:
    """The chosen styles in a form that the browser remembered as JSON, those that are still there."""
    try:
        stored = json.loads(text or "null")
    except ValueError:
        return []
    return [style.name for style in styles.chosen(names_of(stored.get("styles")))] if isinstance(stored, dict) else []


# ---- pasted settings


def found_in(
    services: PageServices, values: Mapping[str, Any], chosen: Any
) -> tuple[dict[str, Any], list[str] | None, list[str]]:
    """The values without the texts of styles that stand in their prompts, as the preference says.

    Returns:
        the values; what the list shall hold (None: what it holds); remarks for the person.
    """
    mode = services.preferences.current.infotext_styles
    if mode != "Ignore" and all(name in values for name in _PROMPTS):
        found, *texts = find_styles(services.styles.all(), values["prompt"], values["negative_prompt"])
        values = {**values, **dict(zip(_PROMPTS, texts, strict=True))}
        if mode == "Apply" or (mode == "Apply if any" and found):
            return dict(values), [style.name for style in found], []
    staying = services.styles.chosen(names_of(chosen))
    remarks = [t("styles.staying", names=", ".join(style.name for style in staying))] if staying else []
    return dict(values), None, remarks


# ---- the row in the form


def draw(form: Form, styles: Styles) -> None:
    """Draw the row where the layout stands, below the prompts, and tie it."""
    with gr.Row(elem_id=f"{form.tab}_style_row", elem_classes=["seeds"]):
        chosen = lenient(gr.Dropdown)(
            [], value=[], multiselect=True, label=t("styles.label"), elem_id=f"{form.tab}_styles", scale=5, min_width=110
        )
        form.add_other("styles", chosen)
        apply = _icon_button(f"{form.tab}_style_apply", "apply")
        edit = _icon_button(f"{form.tab}_styles_edit_button", "edit")
        prompt_tools.draw_buttons(form)
    prompts = [form.components[name] for name in _PROMPTS]
    quiet: dict[str, Any] = {"queue": False, "trigger_mode": "multiple", "show_progress": "hidden"}

    def on_apply(prompt: Any, negative_prompt: Any, names: Any) -> tuple[Any, Any, list[str]]:
        values = merged(styles, {"prompt": prompt, "negative_prompt": negative_prompt}, names)
        return values["prompt"], values["negative_prompt"], []

    fields = [*prompts, chosen]
    applied = apply.click(on_apply, inputs=fields, outputs=fields, js=call("aboutToSet", form.tab), **quiet)
    for follow in (applied.success, applied.failure):
        follow(None, js=call("haveSet", form.tab))
    edit.click(None, js=call("openStyles", form.tab))
    # Another program may have written the files since the page was opened.
    chosen.focus(lambda: gr.update(choices=choices(styles)), outputs=chosen, **quiet)  # pyright: ignore[reportAttributeAccessIssue]
    refresh = form.bridge("styles")
    form.heed(refresh.click(lambda names: listed(styles, names_of(names)), inputs=chosen, outputs=chosen, **quiet))


def _icon_button(elem_id: str, icon: str) -> gr.Button:
    return gr.Button("", elem_id=elem_id, elem_classes=["icon-button", f"icon-{icon}"], scale=0, min_width=36)


def listed(styles: Styles, names: Iterable[str]) -> Any:
    """The list as it stands now, with those of `names` chosen that there are."""
    return gr.update(choices=choices(styles), value=[style.name for style in styles.chosen(names)])


def offer(styles: Styles) -> None:
    """What the script's dialog asks of the server."""

    def list_styles() -> dict[str, Any]:
        known = [{"name": one.name, "prompt": one.prompt, "negative_prompt": one.negative_prompt} for one in styles.all()]
        return {"styles": known, "problem": styles.problem}

    def save_style(name: Any, prompt: Any, negative_prompt: Any) -> dict[str, Any]:
        texts = [text if isinstance(text, str) else "" for text in (name, prompt, negative_prompt)]
        return _answer(lambda: styles.save(Style(texts[0].strip(), *texts[1:])))

    def delete_style(name: Any) -> dict[str, Any]:
        return _answer(lambda: styles.delete(str(name)))

    for function in (list_styles, save_style, delete_style):
        gr.api(function, api_name=function.__name__, queue=False)  # pyright: ignore[reportPrivateImportUsage]


def _answer(action: Any) -> dict[str, Any]:
    try:
        action()
    except WebUIError as error:
        return {"error": str(error)}
    return {"error": ""}
