import base64
import json

import pytest

from headway.base.secret import Secret


def test_a_secret_shows_its_name_never_its_value():
    secret = Secret("TOKEN", "s3cr3t-value")
    assert "s3cr3t" not in f"{secret} {secret!r}"
    assert str(secret) == "[secret TOKEN]"
    assert secret.reveal() == "s3cr3t-value"


def test_fewer_than_four_characters_are_refused_without_printing_them():
    with pytest.raises(ValueError, match="fewer than 4 characters") as refused:
        Secret("PIN", "xq7")
    assert "xq7" not in str(refused.value)


def test_every_form_a_tool_may_print_is_known():
    value = 'pa/ss "wörd"+&'
    forms = Secret("PASSWORD", value).forms()
    assert value.encode() in forms
    assert b"pa%2Fss%20%22w%C3%B6rd%22%2B%26" in forms
    assert json.dumps(value)[1:-1].encode() in forms
    assert base64.b64encode(value.encode()) in forms


def test_a_secret_of_several_lines_is_masked_line_by_line_too():
    forms = Secret("KEY", "-----BEGIN-----\nabcdef\n-----END-----").forms()
    assert {b"-----BEGIN-----", b"abcdef", b"-----END-----"} <= forms
