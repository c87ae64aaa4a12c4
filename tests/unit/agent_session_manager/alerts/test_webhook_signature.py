"""Signatures, with the example of the specification's reference implementations."""

from __future__ import annotations

from base64 import b64encode

import pytest

from agent_session_manager.alerts.signature import SecretError, check_secret, new_secret, sign
from tests.support.rows import each_row

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signature_is_that_of_the_specification() -> None:
    headers = sign(
        SECRET,
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_new_secrets_are_valid_and_differ() -> None:
    made = {new_secret() for _ in range(3)}
    assert len(made) == 3
    for secret in made:
        check_secret(secret)


@each_row(
    "secret",
    [
        "",
        "whsec_",
        "whsec_not base64",
        SECRET.removeprefix("whsec_"),
        "whsec_" + b64encode(bytes(23)).decode(),
        "whsec_" + b64encode(bytes(65)).decode(),
    ],
)
def test_invalid_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(SecretError) as refused:
        check_secret(secret)
    assert len(secret) < 7 or secret not in str(refused.value)
