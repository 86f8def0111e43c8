"""WAVE: the URLs that a device is sent to lead to where the service really listens."""

import ssl

import aiohttp
import pytest
from yarl import URL

from tests.support.certificates import certificate
from tests.support.process import serving
from tests.support.service import ask
from tests.support.wave import pages_at

# An https test runs last, as the order of execution has it (section 3.6 of the contract).
TESTS = ["/apiOne/a.html", "/apiOne/b.https.html", "/apiTwo/c.https.html"]


@pytest.mark.slow  # a process of its own, with a certificate
async def test_ports_that_the_system_chose_are_in_every_url(tmp_path):
    """Sections 3.2 and 3.6: over http and over https alike, and each URL answers."""
    cert, key = certificate(tmp_path)
    options = ["--wave-tests", pages_at(tmp_path, *TESTS)]
    options += ["--https-port", "0", "--tls-cert", str(cert), "--tls-key", str(key)]
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=cert))
    async with (
        serving(tmp_path / "data", *options) as service,
        aiohttp.ClientSession(connector=trusting) as client,
    ):
        plain = f"http://127.0.0.1:{service.port}"
        token = (await ask(client, "POST", f"{plain}/api/sessions", json={}))["token"]
        pending = URL((await ask(client, "GET", f"{plain}/api/tests/{token}/next"))["next_test"])
        await ask(client, "POST", f"{plain}/api/sessions/{token}/start")
        asked, seen = plain, [pending]
        for _ in (*TESTS, "finish"):
            url = URL((await ask(client, "GET", f"{asked}/api/tests/{token}/next"))["next_test"])
            seen.append(url)
            if url.scheme == "https":
                asked = f"https://127.0.0.1:{url.port}"  # the others are asked for over TLS
        schemes = [url.scheme for url in seen]
        assert schemes == ["http", "http", "https", "https", "http"]
        secure = seen[2].port
        assert secure not in (0, 443, service.port, None)
        assert [url.port for url in seen] == [*[service.port] * 2, *[secure] * 2, service.port]
        assert [url.path for url in seen[1:-1]] == TESTS
        for url in seen[1:-1]:
            assert url.query["https_port"] == str(secure)
        for url in seen:
            async with client.get(url) as answer:
                assert (answer.status, answer.content_type) == (200, "text/html"), url
        assert f'"port":{secure},' in service.stderr
        await service.stop()
