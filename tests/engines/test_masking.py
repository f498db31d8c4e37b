from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anzhang.engines.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("身份证11010519491231002X登录", "身份证110105************登录"),
        ("id=110105194912310021 wrong check", "id=110105194912310021 wrong check"),
        ("call 13912345678 now", "call 139****5678 now"),
        ("+8613912345678", "+86139****5678"),
        ("order 12345678901", "order 12345678901"),
        ("card 4111111111111111,", "card 411111******1111,"),
        ("card 4111 1111 1111 1111", "card 4111 1*** **** 1111"),
        ("card 4111111111111112", "card 4111111111111112"),
        ("x13912345678y", "x13912345678y"),
    ],
)
def test_identifiers_are_starred_and_nothing_else(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.text(alphabet="0123456789Xx -身a", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)
