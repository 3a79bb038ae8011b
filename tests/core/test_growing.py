"""Tables that extensions add to."""

from __future__ import annotations

import pytest

from webui.core.growing import Growing, Listing


@pytest.fixture
def table() -> Growing[str]:
    return Growing(("Euler", "Heun"), lambda item: (item, f"k_{item}"))


def test_what_was_added_comes_last_is_found_by_all_its_names_and_goes_again(table: Growing[str]):
    table.add("x", ["Own"])
    assert (list(table), table.find(" K_OWN "), table.added("x"), table.owners) == (
        ["Euler", "Heun", "Own"],
        "Own",
        ("Own",),
        ("x",),
    )
    table.add("x", ["Other"])
    assert table[1:] == ("Heun", "Other")
    table.remove("x")
    table.remove("x")
    assert list(table) == ["Euler", "Heun"] and table.find("Other") is None


def test_a_name_is_one_items_alone_and_who_is_refused_changes_nothing(table: Growing[str]):
    table.add("x", ["Own"])
    for items in (["New", "EULER"], ["k_heun"], ["own"], ["Twice", "twice"]):
        with pytest.raises(ValueError, match="there is another"):
            table.add("y", items)
    assert list(table) == ["Euler", "Heun", "Own"]


def test_a_listing_is_read_anew_and_has_what_fits(table: Growing[str]):
    listing = Listing(table, str.upper, fits=lambda item: item != "Heun")
    first = listing.after("Same")
    table.add("x", ["Own"])
    assert (list(listing), list(first), listing[:1]) == (["EULER", "OWN"], ["Same", "EULER", "OWN"], ("EULER",))
    assert "OWN" in listing and len(first) == 3
    table.remove("x")
    assert "OWN" not in listing and list(first) == ["Same", "EULER"]
