"""Tokens: ours, for this site and network, and for a while."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.hits.signing import ANYBODY, debug_key, is_debug_key, is_signed, sign
from tests.unit.making import any_text

NOW = 1_790_000_000
NETWORK, OTHER = b"\xcb\x00\x71\x09", b"\xcb\x00\x71\x0a"


@given(life=st.integers(1, 86_400), age=st.integers(0, 90_000))
def test_token_lives_as_long_as_it_says(life, age):
    """A token counts until it expires, for its site, its secret and its network alone."""
    token = sign("secret", "portal", NOW + life, NETWORK)
    assert is_signed(token, "secret", "portal", NETWORK, NOW + age) == (age < life)
    assert not is_signed(token, "other", "portal", NETWORK, NOW)
    assert not is_signed(token, "secret", "other", NETWORK, NOW)
    assert not is_signed(token, "secret", "portal", OTHER, NOW)


@given(network=st.binary(max_size=8))
def test_token_of_the_portal_is_for_anybody(network):
    """A portal that signs its own pages does not know who will read them."""
    assert is_signed(sign("secret", "portal", NOW + 60), "secret", "portal", network, NOW)


def test_token_as_a_portal_makes_it():
    """The recipe in the documentation gives the token that is asked for."""
    expires = f"{NOW + 600:x}"
    text = f"hit portal {expires}".encode() + b"\0"
    signature = hmac.new(b"secret", text, "sha256").hexdigest()[:32]
    assert f"{expires}.{signature}" == sign("secret", "portal", NOW + 600, ANYBODY)


@pytest.mark.parametrize(
    "change", [str.upper, str.strip, lambda token: "0" + token, lambda token: token + " "]
)
def test_token_is_spelt_in_one_way(change):
    """A token that is spelt otherwise is another one."""
    token = sign("secret", "portal", NOW + 60, NETWORK)
    assert is_signed(change(token), "secret", "portal", NETWORK, NOW) == (change(token) == token)


def test_token_for_more_than_a_day_is_refused():
    """It would outlive what it is for."""
    assert not is_signed(sign("secret", "portal", NOW + 86_401), "secret", "portal", NETWORK, NOW)


@given(token=any_text(200))
def test_junk_is_refused(token):
    """Whatever is sent as a token, it is refused and nothing fails."""
    assert not is_signed(token, "secret", "portal", NETWORK, NOW)
    assert not is_debug_key(token, "secret", "portal")


def test_debug_key_is_one_site_s():
    """The key of one site opens no other, and a token is none."""
    assert is_debug_key(debug_key("secret", "portal"), "secret", "portal")
    assert not is_debug_key(debug_key("secret", "other"), "secret", "portal")
    assert not is_debug_key(sign("secret", "portal", NOW), "secret", "portal")
