"""The header: checkpoint, VAE and clip skip, what choosing them does, the engine's state and the queue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from webui.checkpoints.catalog import CheckpointInfo, suited_values
from webui.core.shapes import own_shape, shapes
from webui.errors import SaveFailed
from webui.ui import extension_options, models, settings_lists
from webui.ui.form import Form, collect, shown
from webui.ui.script import call, host
from webui.ui.services import PageServices
from webui.ui.texts import t

#: In pixels, of a checkpoint that does not tell what it was made for.
_SIDE = 512

#: The fields whose controls stand here, for every form.
SHARED = ("checkpoint", "vae", "clip_skip")


def draw(forms: Sequence[Form], services: PageServices) -> gr.Button:
    """Draw it; returns the button that looks at the folders again, which is tied when the forms are whole."""
    catalog = services.catalog
    form, *others = forms
    with gr.Row(elem_id="header", equal_height=False):
        gr.HTML(f"<h1>{t('name')}</h1>", elem_id="brand", apply_default_css=False)
        with gr.Row(elem_id="quick", scale=6):
            form.draw("checkpoint", choices=models.checkpoint_choices(catalog), scale=5, min_width=160)
            refresh = gr.Button("", elem_id="refresh_models", elem_classes=["icon-button", "icon-refresh"], scale=0, min_width=36)
            form.draw("vae", choices=models.vae_choices(catalog), scale=3, min_width=120)
            form.draw("clip_skip", as_box=True, scale=0, min_width=72)
        host("engine", "mountEngine")
        host("queue_button", "mountQueueButton")
    host("quick_settings", "mountQuickSettings")
    for other in others:
        for name in SHARED:
            other.add(name, form.components[name])
    return refresh


def connect(services: PageServices, forms: Sequence[Form], refresh: gr.Button) -> None:
    """Tie what is chosen and the refresh button."""
    form = forms[0]
    checkpoint, vae = form.components["checkpoint"], form.components["vae"]
    told = gr.JSON(visible=False)
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden"}

    def on_checkpoint(given: Mapping[Any, Any]) -> dict[Any, Any]:
        name = given[checkpoint]
        return {**choose_checkpoint(services, forms, given, name), told: checkpoint_answer(services, forms, name)}

    def on_vae(name: str) -> None:
        remember_choice(services, vae=name)

    def on_refresh() -> dict[Any, Any]:
        services.library.refresh()  # and with it the catalogue
        return {
            checkpoint: gr.update(choices=models.checkpoint_choices(services.catalog)),
            vae: gr.update(choices=models.vae_choices(services.catalog)),
            **extension_options.file_updates(forms, services.catalog),
        }

    chosen = checkpoint.input(  # pyright: ignore[reportAttributeAccessIssue]
        on_checkpoint, inputs=_controls(forms), outputs=[*_controls(forms), told], **quiet
    )
    _tell_script(forms, chosen.then(None, inputs=told, js=call("checkpointChosen")))
    vae.input(on_vae, inputs=vae, **quiet)  # pyright: ignore[reportAttributeAccessIssue]
    lists = [checkpoint, vae, *extension_options.file_controls(forms)]
    refresh.click(on_refresh, outputs=lists, **quiet).then(None, js=call("listsRefreshed"))
    _connect_use(services, forms, told)


def _controls(forms: Sequence[Form]) -> set[Any]:
    return {component for form in forms for component in form.components.values()}


def _tell_script(forms: Sequence[Form], event: Any) -> None:
    for form in forms:
        form.tell_script(event)


def _connect_use(services: PageServices, forms: Sequence[Form], told: gr.JSON) -> None:
    """What the script chooses in the header: "Use this checkpoint" on the tab Models."""
    wish = gr.Textbox(visible=False)

    def on_use(given: Mapping[Any, Any]) -> dict[Any, Any]:
        kind, name = json.loads(given[wish])
        updates = use_model(services, forms, given, kind, name)
        gone = kind == "checkpoint" and not updates
        current = given[forms[0].components["checkpoint"]]
        answer = checkpoint_answer(services, forms, current if gone or kind == "vae" else name)
        return {**updates, told: {**answer, "problem": t("model.gone", name=name)} if gone else answer}

    order = sorted([*_controls(forms), wish], key=lambda component: component._id)
    bridge = gr.Button("", elem_id="bridge_model", elem_classes=["bridge"])
    used = bridge.click(
        on_use,
        inputs={*_controls(forms), wish},
        outputs=[*_controls(forms), told],
        js=call("takeModel", order.index(wish)),
        queue=False,
        show_progress="hidden",
    )
    _tell_script(forms, used.then(None, inputs=told, js=call("checkpointChosen")))


def use_model(services: PageServices, forms: Sequence[Form], given: Mapping[Any, Any], kind: str, name: str) -> dict[Any, Any]:
    """Choose a checkpoint or VAE in the header, whose list may not know it yet; a broken one changes nothing."""
    services.catalog.refresh()
    form = forms[0]
    if kind == "vae":
        remember_choice(services, vae=name)
        return {form.components["vae"]: gr.update(choices=models.vae_choices(services.catalog), value=name)}
    updates = choose_checkpoint(services, forms, given, name)
    if models.find(services.catalog, name):
        updates[form.components["checkpoint"]] = gr.update(choices=models.checkpoint_choices(services.catalog), value=name)
    return updates


def remember_choice(services: PageServices, **choice: str) -> None:
    """Keep it for the next visit. Where it cannot be written it still holds until the program ends."""
    with suppress(SaveFailed):
        services.preferences.update(**choice)


def choose_checkpoint(services: PageServices, forms: Sequence[Form], given: Mapping[Any, Any], name: Any) -> dict[Any, Any]:
    """Remember the choice and give the forms what the file brings along. A broken file changes nothing."""
    new = models.find(services.catalog, name)
    if new is None:
        return {}
    old = models.find(services.catalog, services.preferences.current.checkpoint)
    remember_choice(services, checkpoint=new.name)
    updates: dict[Any, Any] = {}
    for form in forms:
        current, _ = collect({**form.values(given), "checkpoint": name})
        chosen = services.form_defaults.of(form.tab)
        values = models.values_on_choice(new, old or services.catalog.default_checkpoint(), current, chosen)
        updates |= settings_lists.filling(services.preferences.current, form, values)
    return updates


def checkpoint_answer(services: PageServices, forms: Sequence[Form], name: str | None) -> dict[str, Any]:
    """What the script shows of the checkpoint: its sentence, what is wrong with it, the sizes that suit it by shape, and the
    values with which each form begins under it. Under one that is broken the sizes and values of the one before still hold."""
    info = models.find(services.catalog, name)
    problem = models.problem(services.catalog, name)
    suited = (own_shape if info.own_size_only else shapes)(info.width or _SIDE, info.height or _SIDE) if info else None
    fresh = None if problem else {form.tab: _shown(fresh_values(services, info, form.tab)) for form in forms}
    return {"note": "" if problem else models.note(info), "problem": problem, "shapes": suited, "fresh": fresh}


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {field: shown(field, value) for field, value in values.items()}


def fresh_values(services: PageServices, info: CheckpointInfo | None, tab: str) -> dict[str, Any]:
    """By field name, where they are not the table's: the checkpoint's, and above those the person's own."""
    return (suited_values(info) if info else {}) | services.form_defaults.of(tab)
