# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for nginx reads a configuration as nginx does, and the studio shows its page."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import sim_proxy
from sim_azure import Refused

# The form of the vendor's own file: upstreams by name, the rest of a path put behind that of proxy_pass.
DOCUMENTED = """
worker_processes 1;
events { worker_connections 1024; }
http {
    client_max_body_size 1k; # 90M in the vendor's file
    upstream docker-custom { server 127.0.0.1:PORT; }
    server {
        listen 5000;
        location = / { proxy_pass http://docker-custom/; }
        location /status { proxy_pass http://docker-custom/status; }
        location /test { return 200 $scheme://$host:$server_port; }
        location /text/analytics {
            proxy_set_header Host $host:$server_port;
            add_header 'Access-Control-Allow-Origin' '*' always;
            if ($request_method = 'OPTIONS') { return 200; }
            proxy_pass http://docker-custom/text/analytics;
        }
        location /text/analytics/closed { proxy_pass http://127.0.0.1:1; }
    }
}
"""
VARIABLES = """
pid /tmp/nginx.pid;
http {
    client_max_body_size 0;
    resolver 127.0.0.11;
    map "" $custom { default http://127.0.0.1:PORT; }
    server {
        listen 5000;
        proxy_set_header Host $http_host;
        location / { proxy_pass $custom; }
    }
}
"""
SENTIMENT = "/text/analytics/v3.1/sentiment"
BODY = {"documents": [{"id": "1", "text": "Lovely."}]}


@pytest.fixture
def behind(box: t.Any) -> t.Any:
    """A service to forward to."""
    return box.up("language", "sentiment", "3.0-en")


def proxy(box: t.Any, text: str, port: int) -> t.Any:
    """A proxy with that configuration."""
    conf = box.share / "nginx.conf"
    conf.write_text(text.replace("PORT", str(port)))
    running = type(box.running[0])(*box._begin("reverse_proxy", "1", {}, {"SIM_CONF": str(conf)}))
    box.running.append(running)
    running.until("/status")
    return running


def test_locations_and_limits(box: t.Any, behind: t.Any) -> None:
    running = proxy(box, DOCUMENTED, behind.port)
    assert "up and running" in running.request("/")[1]
    assert running.json("/status")["service"] == "sentiment"
    assert running.request("/test", Host="site:5099") == (200, "http://site:5000")
    status, headers, _body = running.send(SENTIMENT, BODY)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "*"
    assert running.send(SENTIMENT, method="OPTIONS")[0] == 200
    assert running.request(SENTIMENT, {"documents": [{"id": "1", "text": "x" * 2000}]})[0] == 413
    assert running.request("/text/analytics/closed")[0] == 502
    assert running.request("/other")[0] == 404
    assert behind.used() == {"TextRecords": 1}


def test_variables_are_looked_up_at_each_request(box: t.Any, behind: t.Any) -> None:
    running = proxy(box, VARIABLES, behind.port)
    assert running.json(SENTIMENT, BODY)["documents"]
    assert running.request(SENTIMENT + "?x=1", {"documents": [{"id": "1", "text": "x" * 2000}]})[0] == 200
    behind.stop()
    assert running.request("/status")[0] == 502


def test_a_variable_needs_a_resolver(box: t.Any, behind: t.Any) -> None:
    running = proxy(
        box,
        VARIABLES.replace("resolver 127.0.0.11;", "").replace("location /", "location /status { proxy_pass http://127.0.0.1:PORT; } location /"),
        behind.port,
    )
    assert "no resolver" in running.request("/")[1]


def test_operation_addresses_lead_back_through_the_proxy(box: t.Any) -> None:
    layout = box.up("forms", "document_intelligence_layout", "1", "azure-cognitive-services/form-recognizer/layout-3.1")
    running = proxy(box, VARIABLES, layout.port)
    path = "/formrecognizer/documentModels/prebuilt-layout:analyze?api-version=2023-07-31"
    _status, headers, _body = running.send(path, b"\x89PNG\r\n\x1a\n", "image/png")
    assert headers["Operation-Location"].startswith(f"http://127.0.0.1:{running.port}/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http { server { location / { proxy_pass http://127.0.0.1; } }", "unexpected end of file"),
        ("http { } }", 'unexpected "}"'),
        ("events { }", "no location"),
        ("http { client_max_body_size lots; server { location / { return 200 a; } } }", "invalid value"),
    ],
)
def test_broken_configurations(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        sim_proxy.Site(text)


def test_no_configuration(box: t.Any) -> None:
    status, output = box.run({}, "reverse_proxy", "1", SIM_CONF="/not/there")
    assert status == 1 and "[emerg]" in output


@pytest.mark.parametrize(
    ("text", "uid", "capabilities", "said"),
    [
        (VARIABLES, 0, -1, ""),
        (VARIABLES, 0, 0, "Operation not permitted"),
        (VARIABLES, 65532, 0, "client_body_temp_path"),
        (VARIABLES.replace("pid /tmp/nginx.pid;", ""), 65532, 0, "pid"),
        (DOCUMENTED.replace("127.0.0.1:PORT", "no-such-name.invalid:5000"), 0, -1, "host not found in upstream"),
    ],
)
def test_what_nginx_wants_before_it_starts(text: str, uid: int, capabilities: int, said: str) -> None:
    site = sim_proxy.Site(text.replace("PORT", "5000"))
    if said:
        with pytest.raises(Refused, match=said):
            sim_proxy.check(site, uid, capabilities)
    else:
        sim_proxy.check(site, uid, capabilities)


def test_studio_shows_a_page_and_needs_its_folders(box: t.Any) -> None:
    settings = {"ONPREM_LOCALFILE_BASEPATH": str(box.share), "STORAGE_DATABASE_CONNECTION_STRING": str(box.share / "Application.db")}
    running = box.start(settings, "document_intelligence_studio", "3.1")
    assert "Studio" in running.request("/")[1] and (box.share / "Application.db").exists()
    for name, value in (("ONPREM_LOCALFILE_BASEPATH", "/not/there"), ("STORAGE_DATABASE_CONNECTION_STRING", "/not/there/a.db")):
        status, output = box.run({**settings, name: value}, "document_intelligence_studio", "3.1")
        assert status == 1 and "/not/there" in output


def test_port_of_the_configuration() -> None:
    assert sim_proxy.Site(DOCUMENTED).port == 5000
    assert sim_proxy.Site(DOCUMENTED.replace("listen 5000", "listen 0.0.0.0:8080")).port == 8080
    assert Path(sim_proxy.CONF).name == "nginx.conf"
