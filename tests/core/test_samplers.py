import pytest

from webui.core.samplers import SAMPLERS, effective_scheduler, find_sampler, find_scheduler, split_sampler


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_a_sampler_is_found_by_name_and_every_alias_in_any_case(sampler):
    for key in (sampler.name, *sampler.aliases):
        assert find_sampler(f" {key.upper()} ") is sampler


def test_a_schedule_type_is_found_by_name_and_label():
    assert find_scheduler("automatic") == find_scheduler("Automatic") == "Automatic"
    assert find_scheduler("KARRAS") == "Karras"
    assert find_scheduler("nonsense") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DPM++ 2M Karras", ("DPM++ 2M", "Automatic")),  # its own schedule
        ("DPM++ 2M Exponential", ("DPM++ 2M", "Exponential")),
        ("Euler a Karras", ("Euler a", "Karras")),
        ("k_euler_a", ("Euler a", None)),
        ("k_dpmpp_2m_ka", ("DPM++ 2M", "Automatic")),
        ("k_dpmpp_2m_sde_ka", ("DPM++ 2M SDE", "Karras")),
        ("k_lms_ka", ("LMS", "Karras")),
        ("Unknown Karras", ("Unknown Karras", None)),
        ("", ("", None)),
    ],
)
def test_names_from_before_schedule_types_are_split(name, expected):
    assert split_sampler(name) == expected


def test_samplers_of_second_order_are_those_that_a1111_counts_twice():
    """Heun, DPM2, DPM2 a, DPM++ SDE, DPM++ 2S a, Restart: total = 2 × steps."""
    twice = {"Heun", "DPM2", "DPM2 a", "DPM++ SDE", "DPM++ 2S a", "Restart"}
    assert {sampler.name for sampler in SAMPLERS if sampler.calls == 2} == twice


def test_automatic_is_the_samplers_own_schedule():
    assert effective_scheduler("DPM++ 2M", "Automatic") == "Karras"
    assert effective_scheduler("Euler", "Automatic") == "Uniform"
    assert effective_scheduler("Euler", "Exponential") == "Exponential"
