"""Who gets the API key: Labelbox's own API hosts, over TLS, and nobody else."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from lakebox.adapters.presign import LabelboxKey, Plain
from lakebox.core.ports import Presigner
from lakebox.errors import FetchError

KEY = "lbx-SECRET"
OWN = "https://api.labelbox.com/api/v1/tasks/t/masks/m/index/1"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELBOX_API_KEY", KEY)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        (OWN, True),
        ("https://API.Labelbox.com/api/v1/x", True),
        ("https://api.eu-de-1.labelbox.com/x", True),
        ("https://api.labelbox.com:443/x", True),
        ("http://api.labelbox.com/x", False),
        ("https://storage.labelbox.com/x?Signature=s", False),
        ("https://api.labelbox.com.evil.org/x", False),
        ("https://evil.org/api.labelbox.com/x", False),
        ("https://api.evillabelbox.com/x", False),
        ("https://api.labelbox.com@evil.org/x", False),
        ("https://evil.org#@api.labelbox.com", False),
        ("https://evil.org\\@api.labelbox.com/x", False),
        ("https://evil.org\\x@api.labelbox.com/x", False),
        ("https://api.labelbox.com\\.evil.org/x", False),
        ("ftp://api.labelbox.com/x", False),
        ("https://storage.googleapis.com/x", False),
        ("file:///data/a.mp4", False),
        ("media/a.mp4", False),
        ("/data/api.labelbox.com/a.mp4", False),
    ],
)
def test_who_gets_the_key(url: str, sent: bool) -> None:
    request = LabelboxKey().request(url)
    assert request.url == url
    assert dict(request.headers) == ({"Authorization": f"Bearer {KEY}"} if sent else {})


def test_private_deployments_are_named() -> None:
    signer = LabelboxKey(hosts=["labelbox.acme.org"])
    assert signer.request("https://labelbox.acme.org/x").headers
    assert not signer.request("https://evil-labelbox.acme.org/x").headers
    assert not signer.request("https://labelbox.acme.org.evil.org/x").headers


def test_the_variable_can_have_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "other")
    assert LabelboxKey(api_key_env="OTHER").request(OWN).headers["Authorization"] == "Bearer other"


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_key_names_the_variable_and_not_the_signature(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABELBOX_API_KEY")
    if value is not None:
        monkeypatch.setenv("LABELBOX_API_KEY", value)
    with pytest.raises(FetchError, match="LABELBOX_API_KEY") as caught:
        LabelboxKey().request(f"{OWN}?Signature=SIGNED")
    assert "SIGNED" not in str(caught.value)
    assert LabelboxKey().request("https://h/a.mp4").headers == {}


def test_the_key_is_read_when_it_is_needed_and_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = LabelboxKey()
    signer.request(OWN)
    assert KEY not in repr(signer) + str(signer) + str(signer.model_dump())
    assert KEY.encode() not in pickle.dumps(signer)
    monkeypatch.setenv("LABELBOX_API_KEY", "new")
    assert signer.request(OWN).headers["Authorization"] == "Bearer new"


def test_a_request_shows_neither_key_nor_signature() -> None:
    request = LabelboxKey().request(f"{OWN}?Signature=SIGNED")
    shown = repr(request) + str(request) + f"{request!s}"
    assert KEY not in shown
    assert "SIGNED" not in shown


def test_plain_sends_nothing() -> None:
    request = Plain().request(OWN)
    assert (request.url, dict(request.headers)) == (OWN, {})


@pytest.mark.parametrize("signer", [Plain(), LabelboxKey()])
def test_presigners_are_presigners(signer: object) -> None:
    assert isinstance(signer, Presigner)


def test_the_key_itself_is_no_setting() -> None:
    with pytest.raises(ValidationError):
        LabelboxKey.model_validate({"api_key": KEY})
