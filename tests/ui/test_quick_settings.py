"""The settings below the header."""

from __future__ import annotations

import pytest

from tests.ui.test_settings_files import asked
from webui.errors import InvalidRequest
from webui.jobs.events import SettingsChanged
from webui.storage.preferences import CHOSEN_IN_HEADER, PreferencesFile
from webui.ui import quick_settings


def test_the_row_is_described_in_the_order_of_the_list(services):
    services.preferences.update(
        quicksettings_list="hide_samplers, no.such, jpeg_quality, jpeg_quality", hide_samplers="Euler, Heun"
    )
    samplers, quality = quick_settings.described(services)
    assert (samplers["name"], samplers["kind"], samplers["value"]) == ("hide_samplers", "several", ["Euler", "Heun"])
    assert ["Euler", "Euler"] in samplers["choices"]
    assert [quality[key] for key in ("name", "kind", "low", "high", "step", "value")] == ["jpeg_quality", "number", 1, 100, 1, 80]


@pytest.mark.parametrize(
    ("name", "kind"), [("live_preview", "switch"), ("samples_format", "choice"), ("keep_free", "number"), ("tag_list", "")]
)
def test_each_kind_of_setting_has_its_control(services, name: str, kind: str):
    services.preferences.update(quicksettings_list=name)
    assert [each["kind"] for each in quick_settings.described(services)] == ([kind] if kind else [])


def test_what_stands_in_the_header_anyway_is_not_offered(services):
    offered = {name for _, name in quick_settings.choices(services)}
    assert not offered & {*CHOSEN_IN_HEADER, "quicksettings_list"}
    assert "jpeg_quality" in offered


def test_a_setting_is_changed_written_and_told_to_all_pages(services):
    with services.bus.subscribe(replay=False) as subscription:
        assert quick_settings.change(services, "hide_samplers", ["Heun"]) == ["Heun"]
        assert subscription.get_nowait() == SettingsChanged({"hide_samplers": "Heun"}, services.bus.settings_version)
    assert PreferencesFile(services.settings.preferences_file).current.hide_samplers == "Heun"
    assert quick_settings.change(services, "keep_free", 2) == 2.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("jpeg_quality", 0), ("jpeg_quality", None), ("live_preview", "maybe"), ("samples_format", "gif"), ("checkpoint", "x")],
)
def test_what_is_not_allowed_is_refused_by_its_name_and_changes_nothing(services, name: str, value: object):
    before = services.preferences.current
    with pytest.raises(InvalidRequest) as refused:
        quick_settings.change(services, name, value)
    assert refused.value.field == name
    assert services.preferences.current == before


def test_a_setting_is_put_below_the_header_and_taken_away(services):
    services.preferences.update(quicksettings_list="keep_free")
    assert asked(services, "show_setting", "jpeg_quality", True, of=quick_settings) == {"quick": ["keep_free", "jpeg_quality"]}
    assert quick_settings.put(services, "keep_free", shown=True) == ["jpeg_quality", "keep_free"]
    assert quick_settings.put(services, "jpeg_quality", shown=False) == ["keep_free"]
    assert services.preferences.current.quicksettings_list == "keep_free"
    with pytest.raises(InvalidRequest, match="keep_free"):
        quick_settings.put(services, "keep_fre", shown=True)
