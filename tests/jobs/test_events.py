import threading
import time

from webui.jobs.events import EngineChanged, EngineState, EventBus, JobProgress, NoticePosted, SettingsChanged


def test_a_newcomer_is_told_the_state_first_and_then_what_happens():
    bus = EventBus()
    state = EngineChanged(EngineState.IDLE)
    bus.connect(lambda: [state], lambda count: None)
    with bus.subscribe() as subscription:
        bus.publish(NoticePosted("new"))
        assert subscription.get(1) == state
        assert subscription.get(1) == NoticePosted("new")
        assert subscription.get_nowait() is None


def test_a_slow_listener_misses_only_outdated_progress():
    bus = EventBus()
    with bus.subscribe() as subscription:
        for step in range(5):
            bus.publish(JobProgress("a", "", step=step))
        bus.publish(NoticePosted("between"))
        bus.publish(JobProgress("a", "", step=9))
        assert [getattr(subscription.get(1), "step", None) for _ in range(3)] == [4, None, 9]


def test_a_closed_subscription_ends_its_iteration():
    bus = EventBus()
    subscription = bus.subscribe()
    heard = []
    thread = threading.Thread(target=lambda: heard.extend(subscription))
    thread.start()
    bus.publish(NoticePosted("one"))
    bus.close()
    thread.join(5)
    assert not thread.is_alive()
    assert heard == [NoticePosted("one")]
    bus.publish(NoticePosted("two"))
    assert subscription.get_nowait() is None


def test_get_gives_up_after_its_time():
    start = time.monotonic()
    assert EventBus().subscribe().get(0.05) is None
    assert time.monotonic() - start >= 0.05


def test_each_change_of_settings_has_a_version_of_its_own_in_each_run():
    bus = EventBus()
    seen = {bus.settings_version}
    with bus.subscribe() as subscription:
        for quality in (80, 81, 80):
            bus.publish(SettingsChanged({"jpeg_quality": quality}))
            assert subscription.get_nowait() == SettingsChanged({"jpeg_quality": quality}, bus.settings_version)
            seen.add(bus.settings_version)
    assert len({*seen, EventBus().settings_version}) == 5


def test_only_those_who_replay_count_as_audience():
    counts = []
    bus = EventBus()
    bus.connect(list, counts.append)
    with bus.subscribe(replay=False), bus.subscribe():
        pass
    assert counts == [0, 1, 0, 0]


def test_an_event_loop_is_woken_for_what_waits_and_what_comes():
    bus = EventBus()
    bus.connect(lambda: [NoticePosted("first")], lambda count: None)
    woken = []
    with bus.subscribe() as subscription:
        subscription.on_event(lambda: woken.append(1))
        assert len(woken) == 1
        bus.publish(NoticePosted("second"))
        assert len(woken) == 2


def test_who_waits_looks_again_after_each_event_and_until_the_time_has_passed():
    bus, heard = EventBus(), []
    thread = threading.Thread(target=lambda: bus.wait(lambda: len(heard) == 2))
    thread.start()
    deadline = time.monotonic() + 10
    while thread.is_alive():
        assert time.monotonic() < deadline
        if len(heard) < 2:
            heard.append(1)
        bus.publish(NoticePosted("something"))
    thread.join()
    bus.wait(lambda: True)
    bus.wait(lambda: False, 0.01)


def test_who_waits_for_others_that_hear_the_same_looks_again_by_itself():
    asked = []
    EventBus().wait(lambda: asked.append(1) or len(asked) == 3, every=0.001)
    assert len(asked) == 3


def test_nobody_waits_for_a_bus_that_has_closed():
    bus, begun = EventBus(), threading.Event()
    thread = threading.Thread(target=lambda: bus.wait(lambda: begun.set() or False))
    thread.start()
    assert begun.wait(10)
    bus.close()
    thread.join(10)
    assert not thread.is_alive()
