"""The settings of a job that waits go into the form and come back to its place."""

from __future__ import annotations

from typing import Any

import pytest

from webui.core.request import SEED_LIMIT
from webui.ui.form import specs_with
from webui.ui.queue import change, values_of
from webui.ui.submit import submit

FORM: dict[str, Any] = {
    "prompt": "red heart",
    "width": 128,
    "height": 128,
    "steps": 4,
    "seed": str(SEED_LIMIT - 1),
    "checkpoint": "starter",
}


@pytest.fixture
def waiting(services):
    """The ids of three jobs that wait."""
    return [submit(services.series, {**FORM, "prompt": prompt}, "page")["job"] for prompt in ("one", "two", "three")]


def test_a_changed_job_keeps_its_place(services, waiting):
    values = values_of(services.store.get(waiting[1]).request, services.plugins.kinds)
    answer = change(services.dispatcher.queue, {**values, "prompt": "changed"}, services.plugins.kinds, waiting[1])
    assert answer == {"job": waiting[1], "errors": {}, "message": "", "gone": False}
    assert [job.request.prompt for job in services.store.waiting()] == ["one", "changed", "three"]
    assert services.store.get(waiting[1]).request.seed == SEED_LIMIT - 1


def test_what_the_form_shows_of_a_job_is_all_that_it_asks_for(services, waiting):
    kinds = services.plugins.kinds
    request = services.store.get(waiting[0]).request
    values = values_of(request, kinds)
    assert set(specs_with(kinds)) <= set(values)
    answer = change(services.dispatcher.queue, values, kinds, waiting[0])
    assert answer["errors"] == {}
    assert services.store.get(waiting[0]).request == request


def test_bad_input_is_told_at_its_field_and_the_job_stays(services, waiting):
    answer = change(services.dispatcher.queue, {**FORM, "width": 130}, services.plugins.kinds, waiting[0])
    assert answer["job"] is None
    assert set(answer["errors"]) == {"width"}
    answer = change(services.dispatcher.queue, {**FORM, "checkpoint": "startre"}, services.plugins.kinds, waiting[0])
    assert "“starter”" in answer["errors"]["checkpoint"]
    assert services.store.get(waiting[0]).request.prompt == "one"


def test_a_job_that_waits_no_more_is_told_with_what_to_do(services, waiting):
    services.dispatcher.cancel(waiting[0])
    for job_id in (waiting[0], "unknown"):
        answer = change(services.dispatcher.queue, FORM, services.plugins.kinds, job_id)
        assert answer["gone"] is True
        assert "Press Generate again" in answer["message"]
