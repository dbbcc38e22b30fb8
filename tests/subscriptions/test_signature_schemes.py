import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.signing import signature_headers
from subscriptions import signature_schemes
from subscriptions.signature_schemes import Digest, Encoding, InvalidScheme, Layout, Scheme, Schemes, Signed
from tests.dispatch.signers import signer_of

OWN = {"header": "X-Acme-Signature"}
NAMES = "standard, x-signature, github, stripe, shopify"
WRITTEN_OUT = {
    "header": "X-Acme-Signature",
    "digest": "sha256",
    "encoding": "hex",
    "prefix": "",
    "signed": "{body}",
    "layout": "plain",
    "timestamp_header": "",
}
FIELDS = "header, digest, encoding, prefix, signed, layout, timestamp_header"


def test_the_standard_scheme_alone():
    assert signature_schemes.read(["standard"]) == Schemes(standard=True, others=())


def test_presets_and_ones_own_stand_side_by_side_in_their_order():
    schemes = signature_schemes.read(["shopify", "standard", OWN])
    assert schemes == Schemes(
        standard=True,
        others=(
            Scheme(header="X-Shopify-Hmac-SHA256", encoding=Encoding.BASE64),
            Scheme(header="X-Acme-Signature"),
        ),
    )


def test_every_setting_can_be_given():
    own = {
        "header": "X-Acme-Signature",
        "digest": "sha512",
        "encoding": "base64",
        "prefix": "v0=",
        "signed": "{id}.{timestamp}.{body}",
        "layout": "plain",
        "timestamp_header": "X-Acme-Timestamp",
    }
    [scheme] = signature_schemes.read([own]).others
    assert scheme == Scheme(
        header="X-Acme-Signature",
        digest=Digest.SHA512,
        encoding=Encoding.BASE64,
        prefix="v0=",
        signed=Signed.ID_TIMESTAMP_BODY,
        layout=Layout.PLAIN,
        timestamp_header="X-Acme-Timestamp",
    )
    assert signature_schemes.normal([own]) == [own]


def test_what_is_not_given_is_written_out():
    assert signature_schemes.normal(["standard", OWN]) == ["standard", WRITTEN_OUT]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], f"Write a list of at least one of {NAMES}, or the settings of a scheme."),
        ("standard", f"Write a list of at least one of {NAMES}, or the settings of a scheme."),
        (None, f"Write a list of at least one of {NAMES}, or the settings of a scheme."),
        (["md5"], f"'md5' is unknown: write one of {NAMES}, or the settings of a scheme."),
        ([5], f"5 is unknown: write one of {NAMES}, or the settings of a scheme."),
        (["github", "github"], "Name each scheme once."),
        (["standard"] * 9, "These are more than the 5 ready-made schemes and one other."),
        ([OWN, {"header": "X-B"}], "Only one scheme can be given by its settings."),
        (["x-signature", {"header": "x-SIGNATURE"}], "Two schemes write the same header."),
        ([{}], "Name the header that holds the signature."),
        ([OWN | {"secret": "x"}], f"'secret' is no setting of a scheme: there are {FIELDS}."),
        ([OWN | {"digest": "md5"}], "'md5' is no digest: write one of sha256, sha512, sha1."),
        ([OWN | {"encoding": "rot13"}], "'rot13' is no encoding: write one of hex, base64."),
        (
            [OWN | {"signed": "{url}{body}"}],
            "'{url}{body}' is no signed: write one of {body}, {timestamp}.{body}, {id}.{timestamp}.{body}.",
        ),
        ([OWN | {"prefix": None}], "The setting prefix is a text."),
        ([OWN | {"prefix": "a" * 33}], "A prefix is at most 32 printable ASCII characters and does not begin with"),
        ([OWN | {"prefix": "a\r\nX-Evil: 1"}], "A prefix is at most 32 printable ASCII characters"),
        ([{"header": "X Signature"}], "A header's name is made of letters, digits, - and _, at most 64, unlike"),
        ([{"header": "X-Signature\r\nX-Evil"}], "A header's name is made of letters"),
        ([{"header": "a" * 65}], "A header's name is made of letters"),
        ([{"header": "content-LENGTH"}], "The header content-LENGTH has a meaning already. Choose another."),
        ([{"header": "Webhook-Signature"}], "The header Webhook-Signature has a meaning already. Choose another."),
        (
            [OWN | {"signed": "{timestamp}.{body}"}],
            "A timestamp that is signed must be sent: name its header, or use the combined layout.",
        ),
        (
            [OWN | {"timestamp_header": "X-Time"}],
            "A timestamp that is not signed proves nothing: sign it, or leave its header out.",
        ),
        (
            [OWN | {"signed": "{timestamp}.{body}", "timestamp_header": "x-acme-SIGNATURE"}],
            "Signature and timestamp need a header each, or the combined layout.",
        ),
        (
            [OWN | {"layout": "combined"}],
            "The combined layout carries a timestamp: sign it too, {timestamp}.{body}.",
        ),
        (
            [OWN | {"layout": "combined", "signed": "{timestamp}.{body}", "prefix": "x="}],
            "The combined layout has neither a prefix nor a timestamp header.",
        ),
    ],
)
def test_what_makes_no_scheme_is_refused(value: Any, message: str):
    with pytest.raises(InvalidScheme) as refused:
        signature_schemes.read(value)
    assert str(refused.value).startswith(message)


def test_sha1_is_warned_of():
    assert signature_schemes.read(["standard", OWN | {"digest": "sha1"}]).warnings == [
        "X-Acme-Signature is signed with sha1, which is only for receivers that know nothing else."
    ]
    assert signature_schemes.read(["standard", "github", OWN]).warnings == []


words = st.sampled_from([*Digest, *Encoding, *Signed, *Layout, "", "X-A", "X-B", "webhook-id", "sha256="])
settings = st.dictionaries(st.sampled_from([*WRITTEN_OUT, "more"]), words | st.text(max_size=70) | st.none())
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(settings | st.sampled_from(["standard", *signature_schemes.PRESETS]), max_size=4) | json_values)
def test_whatever_is_given_is_refused_or_signs_with_headers_that_can_be_sent(value: Any):
    try:
        normal = signature_schemes.normal(value)
    except InvalidScheme:
        return
    # Reading what was written out gives the same, also by way of JSON.
    assert signature_schemes.normal(json.loads(json.dumps(normal))) == normal
    assert signature_schemes.read(normal) == signature_schemes.read(value)
    assert_can_be_sent(normal)


valid = st.builds(
    lambda header, digest, encoding, prefix, signed, timing: {
        "header": "X-" + header,
        "digest": str(digest),
        "encoding": str(encoding),
        "signed": str(signed),
        **(
            {"prefix": prefix}
            if signed is Signed.BODY
            else {"layout": "combined"}
            if timing
            else {"prefix": prefix, "timestamp_header": "T-" + header}
        ),
    },
    header=st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True).filter(
        lambda text: not text.lower().startswith("forwarded-")
    ),
    digest=st.sampled_from(Digest),
    encoding=st.sampled_from(Encoding),
    prefix=st.from_regex(r"([!-~][ -~]{0,31})?", fullmatch=True),
    signed=st.sampled_from(Signed),
    timing=st.booleans(),
)


@given(valid)
def test_every_combination_that_makes_sense_is_taken(own: dict[str, str]):
    [normal] = signature_schemes.normal([own])
    assert own.items() <= normal.items()
    assert_can_be_sent([own])


def assert_can_be_sent(schemes: list[Any]) -> None:
    """Check that all the headers of a request differ, and that none breaks the request."""

    signer = signer_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", schemes=schemes)
    headers = signature_headers(signer, message_id="evt_1", timestamp=1614265330, body=b"{}")
    assert len({name.lower() for name in headers}) == len(headers)
    for name, text in headers.items():
        assert name.replace("-", "").replace("_", "").isalnum()
        assert (name + text).isascii()
        assert text.isprintable()
        assert text == text.strip()
        assert len(text) <= 300
