"""The page as a whole: header, tabs, what happens when it is opened, and its place in the web application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr
from fastapi import FastAPI

from webui.core.request import VAE_AUTOMATIC
from webui.ui import (
    counting,
    extension_options,
    extension_settings,
    extension_tabs,
    extensions,
    extras,
    generating,
    header,
    hires,
    history,
    img2img,
    library,
    localisation,
    merger,
    models,
    plot,
    pnginfo,
    prompt_tools,
    queue,
    quick_settings,
    settings_files,
    settings_lists,
    settings_tab,
    styles,
    txt2img,
)
from webui.ui.asset_files import Assets
from webui.ui.delivery import DeliveryMiddleware
from webui.ui.form import Form, shown, stored_values
from webui.ui.head import head
from webui.ui.language import LanguageMiddleware, wanted
from webui.ui.script import ASSETS_URL, call, host
from webui.ui.services import PageServices
from webui.ui.texts import ASSETS, t
from webui.ui.theme import make_theme

#: Uploads above this are refused while they arrive. A picture with a text chunk of 100 MB still gets its own message.
_MAX_UPLOAD = "256mb"


def mount(app: FastAPI, services: PageServices) -> None:
    """Serve the page at "/" and its assets beside it."""
    app.mount(f"/{ASSETS_URL}", Assets(directory=ASSETS), name="assets")
    languages = localisation.languages(services.plugins, services.settings.localisations_dir)
    app.add_middleware(LanguageMiddleware, languages=languages)
    app.add_middleware(DeliveryMiddleware, language_of=lambda headers: wanted(headers, languages))
    with running_loop():
        _mount_page(app, services)


@contextmanager
def running_loop() -> Iterator[None]:
    """Where none is running, Gradio makes several event loops for each page that it never closes; so let one run meanwhile."""
    if asyncio._get_running_loop() is not None:
        yield
        return
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)
        loop.close()


def _mount_page(app: FastAPI, services: PageServices) -> None:
    page = build(services)
    page._queue.sleep_when_free = 0.2  # seconds; Gradio's own thousand looks a second at an empty queue are 7 % of a core
    gr.mount_gradio_app(
        app,
        page,
        "/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        max_file_size=_MAX_UPLOAD,
        favicon_path=str(ASSETS / "icons" / "favicon.png"),
        theme=make_theme(),
        head=head(services.plugins.kinds),
    )


def build(services: PageServices) -> gr.Blocks:
    """The whole page. It asks nothing of Gradio's queue: jobs are followed by the script through the event stream."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    form, second = (Form(tab, services.plugins.kinds) for tab in ("txt2img", "img2img"))
    forms = (form, second)
    with gr.Blocks(title="Periplus", analytics_enabled=False, fill_width=True) as page:
        refresh = header.draw(forms, services)
        with gr.Tabs(selected="txt2img", elem_id="tabs") as tabs:
            with gr.Tab(t("tab.txt2img"), id="txt2img", elem_id="tab_txt2img"):
                generate = txt2img.build(form, services)
            with gr.Tab(t("tab.img2img"), id="img2img", elem_id="tab_img2img"):
                generate_second = img2img.build(second, services)
            with gr.Tab(t("tab.plot"), id="plot", elem_id="tab_plot"):
                plot.build()
            with gr.Tab(t("tab.extras"), id="extras", elem_id="tab_extras"):
                extras.build()
            with gr.Tab(t("tab.pnginfo"), id="pnginfo", elem_id="tab_pnginfo"):
                pnginfo.build()
            with gr.Tab(t("tab.history"), id="history", elem_id="tab_history"):
                history.build()
            with gr.Tab(t("tab.merger"), id="merger", elem_id="tab_modelmerger"):
                merger.build()
            with gr.Tab(t("tab.models"), id="models", elem_id="tab_models"):
                library.build()
            extension_tabs.draw(services.plugins)
            with gr.Tab(t("tab.settings"), id="settings", elem_id="tab_settings"):
                filled = settings_tab.build(services.preferences, services.settings, quick_settings.choices(services))
                filled |= extension_settings.build(services)
                settings_files.build(filled)
            with gr.Tab(t("tab.extensions"), id="extensions", elem_id="tab_extensions"):
                extensions.build()
        host("foot", "mountFooter")
        generating.connect(services, form, generate, tabs)
        generating.connect(services, second, generate_second, tabs, img2img.check)
        for each in forms:
            queue.connect(services, each, tabs)
        styles.offer(services.styles)
        counting.connect(services)
        pnginfo.connect(services)
        extras.connect(services)
        plot.connect(services)
        library.connect(services)
        merger.connect(services)
        settings_files.connect(services)
        quick_settings.connect(services)
        header.connect(services, forms, refresh)
        hires.connect(services, form, refresh)
        _connect_load(page, services, forms, filled)
        for each in forms:
            prompt_tools.connect(each)
            _remember(each)
    return page


def _connect_load(page: gr.Blocks, services: PageServices, forms: Sequence[Form], filled: settings_tab.Filled) -> None:
    told = gr.JSON(visible=False)
    controls = {component for form in forms for component in form.inputs}
    outputs = [*controls, *filled, told]

    def opening(stored: Any) -> list[Any]:
        texts = [*map(str, stored), *[""] * len(forms)][: len(forms)] if isinstance(stored, list) else [""] * len(forms)
        updates: dict[Any, Any] = {}
        values: dict[str, Any] = {}
        version = services.bus.settings_version  # before the settings are read: what changes meanwhile is told as newer
        for form, text in reversed(list(zip(forms, texts, strict=True))):  # what they share holds what the first one says
            values = opening_values(services, form.tab, stored_values(text, services.plugins.kinds))
            updates |= _opening_updates(services, form, values, text)
        suited = header.checkpoint_answer(services, forms, values["checkpoint"])
        answer = {**suited, **page_preferences(services), "version": version}
        updates |= {component: now() for component, now in filled.items()}
        updates[told] = answer
        return [_as_sent(updates.get(component, gr.skip())) for component in outputs]

    # The script asks and sets: of an event of Gradio's own the outcome would be drawn for all of them at every later event.
    gr.api(opening, api_name="opening", queue=False)  # pyright: ignore[reportPrivateImportUsage]
    loaded = page.load(None, outputs=outputs, js=call("openForms"), show_progress="hidden")
    opened = loaded.then(None, inputs=told, js=call("opened"))
    for form in forms:
        form.tell_script(opened)


def _as_sent(update: Any) -> Any:
    """As the page takes it: of each choice its label and its value."""
    if not isinstance(update, dict) or "choices" not in update:
        return update
    pairs = [choice if isinstance(choice, list | tuple) else (choice, choice) for choice in update["choices"]]
    return {**update, "choices": pairs}


def _opening_updates(services: PageServices, form: Form, values: Mapping[str, Any], stored: str | None) -> dict[Any, Any]:
    # Every control is set: one that is rendered late would show 0 for a value that was never sent, such as no eta.
    updates: dict[Any, Any] = form.updates({name: spec.default for name, spec in form.specs.items()} | dict(values))
    for name, choices in (("checkpoint", models.checkpoint_choices), ("vae", models.vae_choices)):
        updates[form.components[name]] = gr.update(choices=choices(services.catalog), value=shown(name, values[name]))
    for name, found in hires.choices(services).items():
        if name in form.components:
            updates[form.components[name]] = gr.update(choices=found, value=values.get(name, form.specs[name].default))
    updates |= settings_lists.updates(services.preferences.current, form, values)
    updates[form.others["styles"]] = styles.listed(services.styles, styles.stored_names(services.styles, stored))
    for component, listed in extension_options.file_updates([form], services.catalog).items():
        updates[component] = {**updates[component], **listed}
    return updates


def opening_values(services: PageServices, tab: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The form when the page is opened: what this browser held, else the person's defaults, else the chosen checkpoint's."""
    chosen = services.preferences.current
    info = models.chosen_checkpoint(services.catalog, stored.get("checkpoint"), chosen.checkpoint)
    values = dict(stored) if stored else header.fresh_values(services, info, tab)
    vaes = {name for _, name in models.vae_choices(services.catalog)}
    vae = next((name for name in (stored.get("vae"), chosen.vae) if name in vaes), VAE_AUTOMATIC)
    return {**values, "checkpoint": info.name if info else None, "vae": vae}


def page_preferences(services: PageServices) -> dict[str, Any]:
    """What the script must know of the preferences, and what was wrong with their file."""
    problems = (services.preferences.problem, services.form_defaults.problem, services.styles.problem)
    warning = "\n".join(filter(None, problems))
    return {"preferences": quick_settings.of_page(services), "quick": quick_settings.described(services), "warning": warning}


def _remember(form: Form) -> None:
    """What the script presses when the form may have changed, to keep it in the browser (docs/decisions/0016)."""
    read = form.bridge("read")
    read.click(None, inputs={*form.inputs}, js=call("remember", form.tab, form.names), queue=False, show_progress="hidden")
