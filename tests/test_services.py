"""What is not installed ends a test with how to get it: as a skip, or in CI as a failure."""

from __future__ import annotations

import pytest
import servers
import services


@pytest.fixture(params=["", "1"], ids=["elsewhere", "CI"])
def ended(request, monkeypatch, tmp_path):
    """What ends a test where nothing is installed."""
    monkeypatch.setenv("ZARRC_REQUIRE_SERVICES", request.param)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(services, "PEERS", tmp_path)
    monkeypatch.setattr(servers, "SYSTEM_PATH", "")
    return pytest.fail.Exception if request.param else pytest.skip.Exception


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("redis", "the server redis-server"),
        ("s3", "the peer moto"),
        ("gcs", "the peer gcs"),
        ("azure", "the server azurite"),
        ("http", "the server nginx"),
    ],
)
def test_servers(ended, kind, what, tmp_path):
    message = f"{what} is not installed: 'make services' gets it"
    with pytest.raises(ended, match=message), getattr(servers, kind)(tmp_path / kind):
        pass


def test_modules(ended):
    with pytest.raises(ended, match="the Python module no_such_module is not installed: 'pip install"):
        services.module("no_such_module")
