"""What only this machine reaches."""

from __future__ import annotations

import pytest

from webui.core.addresses import is_loopback, plain_address


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_loopback_is_known_by_name_and_by_number(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "[::]", "192.168.1.20", "localhost.example.org", "127.0.0.1.example.org"])
def test_what_others_reach_is_no_loopback(host: str):
    assert not is_loopback(host)


def test_a_name_is_no_plain_address():
    assert plain_address("studio.local") is None
    assert str(plain_address("[fe80::1]")) == "fe80::1"
