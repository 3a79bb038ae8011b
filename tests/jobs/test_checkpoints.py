"""Jobs of several checkpoints, from the queue to the real runner: what is loaded, and how often."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.jobs.conftest import close
from tests.tiny import write_tiny_checkpoint
from webui.app import build_services
from webui.core.request import GenerationRequest
from webui.engine.client import InlineEngine
from webui.jobs.events import JobProgress
from webui.jobs.store import JobState
from webui.settings import Settings

NAMES = ("a", "b", "c")


@pytest.mark.parametrize("gigabytes", [0.0, 1.0], ids=["no room", "room for all"])
def test_a_plot_of_three_checkpoints_loads_each_file_once(gigabytes: float, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "webui.checkpoints.manager")
    settings = Settings(data_dir=tmp_path, device="cpu", engine="inline", checkpoints_memory=gigabytes)
    for seed, name in enumerate(NAMES):
        write_tiny_checkpoint(settings.models_dir / "Stable-diffusion" / f"{name}.safetensors", seed)
    services = build_services(settings, InlineEngine(settings))
    try:
        with services.bus.subscribe(replay=False) as subscription:
            jobs = [
                services.dispatcher.submit(GenerationRequest(checkpoint=name, seed=seed, steps=4, width=64, height=64))
                for name in NAMES
                for seed in range(5)
            ]
            services.dispatcher.start()
            states = {services.dispatcher.wait(job.id, 60).state for job in jobs}
            heard = list(iter(subscription.get_nowait, None))
    finally:
        close(services)
    assert states == {JobState.DONE}
    found = (re.fullmatch(r"(Loaded|Read) (\w)( ahead)? in [\d.]+ s\.", record.getMessage()) for record in caplog.records)
    assert Counter(match[2] for match in found if match) == dict.fromkeys(NAMES, 1)
    told = Counter(event.text for event in heard if isinstance(event, JobProgress) and event.text.startswith("Loading"))
    assert set(told.values()) == {1}
