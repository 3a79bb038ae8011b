from __future__ import annotations

import pytest

from webui.engine.protocol import CancelWhen
from webui.errors import Cancelled
from webui.generation.control import JobControl, Skipped


def test_nothing_said_lets_the_job_run():
    control = JobControl()
    control.check()
    assert not control.stop_before_next


def test_interrupt_stops_at_once_and_for_good():
    control = JobControl()
    control.cancel(CancelWhen.NOW)
    for _ in range(2):
        with pytest.raises(Cancelled):
            control.check()
    assert control.stop_before_next


def test_interrupt_after_the_batch_lets_the_batch_finish():
    control = JobControl()
    control.cancel(CancelWhen.AFTER_BATCH)
    control.check()
    assert control.stop_before_next


def test_skip_holds_for_one_batch():
    control = JobControl()
    control.cancel(CancelWhen.SKIP)
    with pytest.raises(Skipped):
        control.check()
    control.check()
    assert not control.stop_before_next


def test_skip_during_decoding_does_not_hit_the_next_batch():
    control = JobControl()
    control.cancel(CancelWhen.SKIP)
    control.end_batch()
    control.check()
