from __future__ import annotations

import pickle
import sys
import time
from types import ModuleType
from typing import Any

import pytest

from webui.core.request import GenerationRequest
from webui.errors import Cancelled, InvalidRequest, PluginError
from webui.plugins.calls import Calls, implemented
from webui.plugins.hooks import hookimpl

REQUEST = GenerationRequest(prompt="cat")


def calls_with(*functions, engine: bool = True) -> Calls:
    """Each function in an extension of its own: p0, p1, …"""
    calls = Calls(engine=engine)
    for number, function in enumerate(functions):
        module = ModuleType(f"p{number}")
        setattr(module, function.__name__, hookimpl(function))
        assert implemented(module) == (function.__name__,)
        calls.add(f"p{number}", module, "plugin")
    return calls


def test_each_folds_what_the_last_one_left_and_none_leaves_it():
    def alter_latents(latents):
        return [*latents, len(latents)]

    def other(latents, request):
        return None

    other.__name__ = "alter_latents"
    calls = calls_with(alter_latents, other, lambda_named("alter_latents", lambda latents: [*latents, "last"]))
    assert calls.fold("alter_latents", [], request=REQUEST) == [0, "last"]


def lambda_named(name: str, function: Any) -> Any:
    function.__name__ = name
    return function


def test_only_the_arguments_that_are_named_are_given():
    seen = []
    calls = calls_with(lambda_named("alter_noise", lambda sigma, latents: seen.append((sigma, latents))))
    assert calls.fold("alter_noise", "noise", request=REQUEST, sigma=14.6) == "noise"
    assert seen == [(14.6, "noise")]


def test_hooks_of_the_other_process_are_not_called():
    calls = calls_with(lambda_named("alter_latents", lambda latents: "changed"), engine=False)
    assert calls.fold("alter_latents", "latents", request=REQUEST) == "latents"


def test_what_raises_bears_the_extensions_name_and_crosses_to_the_web_process():
    def alter_latents(latents):
        raise KeyError("strength")

    with pytest.raises(PluginError) as caught:
        calls_with(alter_latents).fold("alter_latents", [], request=REQUEST)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == "The extension p0 failed in alter_latents: KeyError: 'strength'"
    assert (error.plugin, error.hook) == ("p0", "alter_latents")


def test_one_that_would_end_the_program_only_fails():
    def alter_latents(latents):
        sys.exit(3)

    with pytest.raises(PluginError, match="The extension p0 failed in alter_latents: SystemExit: 3"):
        calls_with(alter_latents).fold("alter_latents", [], request=REQUEST)


@pytest.mark.parametrize("error", [InvalidRequest("p0.x", "no"), Cancelled(), MemoryError(), RuntimeError("CUDA out of memory")])
def test_what_is_meant_for_others_passes_as_it_is(error):
    def alter_latents(latents):
        raise error

    with pytest.raises(type(error)) as caught:
        calls_with(alter_latents).fold("alter_latents", [], request=REQUEST)
    assert caught.value is error


def test_an_answer_of_another_kind_is_refused_by_name():
    calls = calls_with(lambda_named("alter_latents", lambda latents: "text"))
    with pytest.raises(PluginError, match="p0 failed in alter_latents: it gave str; list or None was expected"):
        calls.fold("alter_latents", [], request=REQUEST)
    calls = calls_with(lambda_named("wrap_denoiser", lambda denoiser: 3))
    with pytest.raises(PluginError, match="it gave int; something to call"):
        calls.fold("wrap_denoiser", abs, request=REQUEST)


class Shaped:
    def __init__(self, *shape: int) -> None:
        self.shape = shape


def test_latents_keep_their_shape():
    calls = calls_with(lambda_named("alter_latents", lambda latents: Shaped(1, 4, 2, 2)))
    with pytest.raises(PluginError, match=r"it gave Shaped of shape \(1, 4, 2, 2\); Shaped of shape \(1, 4, 8, 8\)"):
        calls.fold("alter_latents", Shaped(1, 4, 8, 8), request=REQUEST)


class Denoiser:
    unconditional = "unconditional"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def __call__(self, latents: float, sigma: float) -> float:
        if self.error:
            raise self.error
        return latents * sigma


def test_denoisers_stand_around_each_other_and_answer_for_the_innermost():
    def wrap_denoiser(denoiser):
        return lambda latents, sigma: denoiser(latents, sigma) + 1.0

    wrapped: Any = calls_with(wrap_denoiser, wrap_denoiser).fold("wrap_denoiser", Denoiser(), request=REQUEST)
    assert wrapped(3.0, 2.0) == 8.0
    assert wrapped.unconditional == "unconditional"


def test_a_wrapped_denoiser_that_raises_bears_the_name_of_who_did_it():
    def wrap_denoiser(denoiser):
        return lambda latents, sigma: denoiser(latents, sigma) / 0

    def around(denoiser):
        return lambda latents, sigma: denoiser(latents, sigma)

    calls = calls_with(wrap_denoiser, lambda_named("wrap_denoiser", around))
    with pytest.raises(PluginError, match="p0 failed in wrap_denoiser: ZeroDivisionError"):
        calls.fold("wrap_denoiser", Denoiser(), request=REQUEST)(1.0, 1.0)
    with pytest.raises(OSError, match="of the model"):
        calls.fold("wrap_denoiser", Denoiser(OSError("of the model")), request=REQUEST)(1.0, 1.0)


def test_the_seconds_of_each_extension_are_counted():
    def alter_latents(latents):
        return None

    calls = calls_with(alter_latents)
    calls.fold("alter_latents", [], request=REQUEST)
    assert 0 < calls.seconds["p0"] < 1


def test_what_happens_within_an_extension_is_not_counted_as_its_own():
    def wrap_denoiser(denoiser):
        return lambda latents, sigma: denoiser(latents, sigma)

    def slow(latents: float, sigma: float) -> float:
        time.sleep(0.5)
        return latents

    calls = calls_with(wrap_denoiser)
    calls.fold("wrap_denoiser", slow, request=REQUEST)(1.0, 1.0)
    assert calls.seconds["p0"] < 0.5


@pytest.mark.parametrize("who", ["the model", "whoever stops", "the sampler"])
def test_a_sampler_that_fails_is_told_from_what_it_calls(who: str):
    def fail(*_: Any) -> Any:
        raise LookupError(who)

    def sample(denoise, latents, sigmas, noise, options, on_step):
        return {"the model": denoise, "whoever stops": on_step, "the sampler": fail}[who](latents, 1.0)

    guarded = Calls(engine=True).guarded_sampler("x", sample)
    expected = PluginError if who == "the sampler" else LookupError
    with pytest.raises(expected, match=who):
        guarded(fail, 1.0, [1.0, 0.0], None, None, fail)


def test_a_sampler_gives_latents_of_the_same_shape():
    guarded = Calls(engine=True).guarded_sampler("x", lambda *_: Shaped(1, 4, 2, 2))
    with pytest.raises(PluginError, match="x failed in register_sampler_functions: it gave Shaped of shape"):
        guarded(abs, Shaped(1, 4, 8, 8), [1.0], None, None, abs)
