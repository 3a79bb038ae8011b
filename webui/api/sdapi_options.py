"""`/sdapi/v1` options, flags and memory: A1111's names for what there is here.

Settings of extensions stand among the options as in A1111, by the names that they have here: "watermark.text".
"""

from __future__ import annotations

from typing import Annotated, Any

import psutil
from fastapi import APIRouter, Body

from webui.api.sdapi_request import FIXED_SETTINGS, REQUEST_SETTINGS, check_fixed_settings, check_request_settings
from webui.api.services import Services
from webui.checkpoints.catalog import CheckpointInfo
from webui.core.addresses import is_loopback
from webui.core.params import check_value, joined, listed, params_of, parted
from webui.core.request import VAE_AUTOMATIC, VAE_BUILT_IN
from webui.errors import CheckpointNotFound, InvalidRequest, SaveFailed, WebUIError
from webui.jobs.resolve import choose_checkpoint
from webui.storage.a1111_settings import PREFERENCES, quick_keys, quick_names
from webui.storage.preferences import QUICK, Preferences

_SPECS = params_of(Preferences)

#: A1111's methods of previews are others by the same name, and clients send back all that they were told.
_NAMES = {key: name for key, name in PREFERENCES.items() if key != "show_progress_type"}

#: What the page calls the settings.
LABELS = {"sd_model_checkpoint": "Stable Diffusion checkpoint", "sd_vae": "SD VAE"} | {
    key: _SPECS[name].param.label for key, name in {**_NAMES, QUICK: QUICK}.items()
}

#: What the description shows of a change.
_EXAMPLE = {"sd_model_checkpoint": "starter.safetensors", "samples_format": "png", "live_previews_enable": True}


def add_routes(routes: APIRouter, services: Services) -> None:
    @routes.get("/options")
    def get_options() -> dict[str, Any]:
        return _options(services)

    @routes.post("/options")
    def set_options(options: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])]) -> None:
        """Change settings, of extensions too. Those that are not known here are ignored, as in A1111."""
        changes, others = _changes(services, options), _of_extensions(services, options)
        if changes:
            services.preferences.update(**changes)
        _change(services, others)

    @routes.get("/cmd-flags")
    def cmd_flags() -> dict[str, Any]:
        return flags_of(services)

    @routes.get("/memory")
    def memory() -> dict[str, Any]:
        return {"ram": ram(), "cuda": _cuda(services)}


def current_checkpoint(services: Services) -> CheckpointInfo | None:
    """What a request that names none is made with; None if there is no checkpoint at all."""
    try:
        return choose_checkpoint(None, services.catalog, services.preferences.current.checkpoint)
    except WebUIError:
        return None


def current_vae(services: Services) -> str:
    """The VAE chosen last, if it is still there."""
    chosen = services.preferences.current.vae
    if chosen not in (VAE_AUTOMATIC, VAE_BUILT_IN):
        try:
            services.catalog.find_vae(chosen)
        except WebUIError:
            return VAE_AUTOMATIC
    return chosen


def fetching(services: Services) -> bool:
    """Whether pictures may be given as addresses."""
    return services.preferences.current.api_enable_requests


def _options(services: Services) -> dict[str, Any]:
    preferences, checkpoint = services.preferences.current, current_checkpoint(services)
    chosen = {key: parted(_SPECS[name], getattr(preferences, name)) for key, name in _NAMES.items()}
    return {
        "sd_model_checkpoint": services.catalog.title(checkpoint) if checkpoint else None,
        "sd_checkpoint_hash": (services.catalog.sha256(checkpoint) if checkpoint else None) or "",
        "sd_vae": current_vae(services),
        "samples_save": True,
        "outdir_txt2img_samples": str(services.settings.outputs_dir / "txt2img-images"),
        "grid_save": False,
        "return_grid": False,
        **chosen,
        QUICK: quick_keys(listed(preferences.quicksettings_list)),
        **services.plugins.settings.values,
        **FIXED_SETTINGS,
        **REQUEST_SETTINGS,
    }


def _changes(services: Services, options: dict[str, Any]) -> dict[str, Any]:
    """The preferences to change; everything is checked before anything is changed."""
    check_fixed_settings(options)
    check_request_settings(options)
    changes = {name: _value(key, options[key]) for key, name in _NAMES.items() if options.get(key) is not None}
    if (keys := options.get(QUICK)) is not None:
        changes[QUICK] = _quick(services, keys)
    if (title := options.get("sd_model_checkpoint")) is not None:
        changes["checkpoint"] = _found("sd_model_checkpoint", title, services.catalog.find_checkpoint).name
    if (vae := options.get("sd_vae")) is not None:
        known = vae in (VAE_AUTOMATIC, VAE_BUILT_IN)
        changes["vae"] = vae if known else _found("sd_vae", vae, services.catalog.find_vae).name
    return changes


def _of_extensions(services: Services, options: dict[str, Any]) -> dict[str, Any]:
    """The extensions' settings to change. Raise InvalidRequest for a value that is not allowed."""
    found = {name: options[name] for name in services.plugins.settings.fields if options.get(name) is not None}
    for name, value in found.items():
        services.plugins.settings.checked(name, value)
    return found


def _change(services: Services, settings: dict[str, Any]) -> None:
    before = services.plugins.settings.values
    try:
        for name, value in settings.items():
            if value != before[name]:  # clients send back all that they were told
                services.plugins.change_setting(name, value)
    except OSError as error:
        file = services.settings.extension_choices_file
        raise SaveFailed(f"The settings of extensions could not be written to {file}: {error.strerror or error}.") from error


def _value(key: str, value: Any) -> Any:
    """Raise InvalidRequest by A1111's name."""
    spec = _SPECS[_NAMES[key]]
    try:
        check_value(spec, joined(spec, value))
    except InvalidRequest as error:
        raise InvalidRequest(key, f"{key}: {error}") from error
    return joined(spec, value)


def _quick(services: Services, keys: Any) -> str:
    """By A1111's keys; those that are no setting here are ignored, as in A1111."""
    if not isinstance(keys, list):
        raise InvalidRequest(QUICK, f"{QUICK}: a list of names of settings was expected, but {keys!r:.80} was given.")
    kept = listed(services.preferences.current.quicksettings_list)  # also those of extensions that are not loaded now
    names, _ = quick_names(keys, [*services.plugins.settings.fields, *kept])
    chosen = ", ".join(names)
    check_value(_SPECS[QUICK], chosen)
    return chosen


def _found(key: str, text: Any, find: Any) -> Any:
    if not isinstance(text, str):
        raise InvalidRequest(key, f"{key}: text was expected, but {text!r:.80} was given.")
    try:
        return find(text)
    except CheckpointNotFound as error:
        raise CheckpointNotFound(key, str(error)) from error


def flags_of(services: Services) -> dict[str, Any]:
    """By A1111's names. Of passwords it is only told whether there are any."""
    settings = services.settings
    return {
        "data_dir": str(settings.data_dir),
        "models_dir": str(settings.models_dir),
        "ckpt_dir": str(settings.checkpoint_dirs[0]) if settings.checkpoint_dirs else None,
        "vae_dir": str(settings.vae_dirs[0]) if settings.vae_dirs else None,
        "listen": not is_loopback(settings.host),
        "server_name": settings.host,
        "port": settings.port,
        "device_id": settings.device,
        "medvram": settings.medvram,
        "medvram_sdxl": settings.medvram_sdxl,
        "lowvram": settings.lowvram,
        "no_half": settings.no_half,
        "no_half_vae": settings.vae_precision == "fp32",
        "api": True,
        "api_log": settings.api_log,
        "api_server_stop": settings.api_server_stop,
        "api_auth": bool(settings.api_auth),
        "gradio_auth": bool(settings.auth),
        "cors_allow_origins": ",".join(settings.cors_origins) or None,
        "cors_allow_origins_regex": settings.cors_origins_regex,
        "nowebui": not settings.page,
        "autolaunch": settings.open_browser,
        "share": False,
    }


def ram() -> dict[str, int]:
    memory = psutil.virtual_memory()
    return {"free": memory.available, "used": memory.total - memory.available, "total": memory.total}


def _cuda(services: Services) -> dict[str, Any]:
    """What the engine says of its device. Torch's own counters stay in the engine."""
    engine = services.dispatcher.engine
    if not engine.memory_total or engine.memory_total == psutil.virtual_memory().total:
        return {"error": "The engine works on no CUDA device."}
    used = engine.memory_total - engine.memory_free
    in_use = {"current": used, "peak": max(engine.memory_peak, used)}
    return {"system": {"free": engine.memory_free, "used": used, "total": engine.memory_total}, "reserved": in_use}
