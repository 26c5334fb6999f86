"""Who may ask: raw requests to a real server."""

import asyncio
import socket

import aiohttp
import pytest

from demo.web import door
from tests.web.serving import served

TOKEN = "correct-horse-battery"
PATHS = ["/api/sources", "/api/people", "/api/summary", "/api/events", "/stream.mjpg", "/api/live"]


@pytest.fixture(scope="module")
def open_server():
    with served() as each:
        yield each


@pytest.fixture(scope="module")
def locked_server():
    with served(token=TOKEN) as each:
        yield each


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", ""])
def test_a_name_that_is_not_ours_is_refused(open_server, path, host):
    host = host.format(port=open_server.port)
    status, _, body = open_server.get(path, {"Host": host})
    assert status == 421
    assert b"not known by that name" in body


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"])
def test_our_names_are_served(open_server, host):
    status, _, _ = open_server.get("/api/sources", {"Host": host.format(port=open_server.port)})
    assert status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_requests_of_other_sites_are_refused(open_server, path, headers):
    headers = {name: value.format(port=open_server.port) for name, value in headers.items()}
    status, _, body = open_server.get(path, headers)
    assert status == 403
    assert b"other sites" in body


def test_a_proxy_may_add_tls_to_the_names_that_were_given():
    with served(further=("cam.example:443",)) as run:
        for host in ("cam.example", "cam.example:443"):
            headers = {"Host": host, "Origin": "https://cam.example"}
            assert run.get("/api/sources", headers)[0] == 200
        headers = {"Host": "cam.example", "Origin": f"https://127.0.0.1:{run.port}"}
        assert run.get("/api/sources", headers)[0] == 403


def test_a_socket_of_another_site_is_refused(open_server):
    async def connect():
        async with aiohttp.ClientSession() as client:
            await client.ws_connect(
                f"{open_server.server.url}api/live", origin="http://evil.example"
            )

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        asyncio.run(connect())
    assert refused.value.status == 403


def test_a_link_of_another_site_opens_a_page_and_nothing_else(open_server):
    followed = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert open_server.get("/", followed)[0] == 200
    assert open_server.get("/api/people", followed)[0] == 403


@pytest.mark.parametrize("path", ["/", "/static/style.css", *PATHS])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": "agestream-{port}=wrong"},
        {"Cookie": f"agestream={TOKEN}"},
    ],
)
def test_nothing_is_served_without_the_token(locked_server, path, headers):
    headers = {name: value.format(port=locked_server.port) for name, value in headers.items()}
    status, answered, body = locked_server.get(path, headers)
    assert status == 401
    assert b"?token=TOKEN" in body
    assert "Set-Cookie" not in answered
    assert locked_server.get(f"{path}?token=wrong", headers)[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer {TOKEN}"},
        {"Cookie": f"agestream-PORT={TOKEN}"},
    ],
)
def test_the_token_opens_everything(locked_server, headers):
    headers = {n: value.replace("PORT", str(locked_server.port)) for n, value in headers.items()}
    assert locked_server.get("/api/sources", headers)[0] == 200


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(locked_server):
    status, headers, body = locked_server.get(f"/?token={TOKEN}&source=cam&b=%22%3E")
    assert status == 200  # with a redirect, a link in a mail would not bring the cookie along
    assert b'content="0;url=/?source=cam&amp;b=%22%3E"' in body
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(f"agestream-{locked_server.port}={TOKEN};")
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert locked_server.get(f"/api/sources?token={TOKEN}")[0] == 200


def test_a_token_with_a_plus_can_be_in_the_address():
    with served(token="ab+cd/ef+gh==") as run:
        assert run.get("/api/sources?token=ab+cd/ef+gh==")[0] == 200
        assert run.get("/api/sources?token=ab%2Bcd/ef%2Bgh%3D%3D")[0] == 200


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends it within its time-out of 5 seconds."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_connections_that_do_not_ask_are_few_and_short(monkeypatch):
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 5)
    monkeypatch.setattr(door, "HEAD_SECONDS", 1.0)
    with served() as run:
        idle = [socket.create_connection(("127.0.0.1", run.port), 5) for _ in range(20)]
        idle[0].sendall(b"GET / HTTP/1.1\r\n")
        assert all(map(is_closed, idle[5:]))  # at once
        assert is_closed(idle[0])  # after a second or two
        assert run.get("/api/sources")[0] == 200
        for each in idle:
            each.close()


@pytest.mark.parametrize("path", ["/", "/api/sources", "/nothing", "/static/style.css"])
def test_every_answer_has_the_headers_that_keep_browsers_careful(open_server, path):
    _, headers, _ = open_server.get(path)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "AgeStream"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff" * 200,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + b"tls" * 100,
        b"POST /api/analyze HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_garbage_is_refused_and_fills_no_log(open_server, caplog, garbage):
    with socket.create_connection(("127.0.0.1", open_server.port), 5) as stranger:
        stranger.sendall(garbage)
        assert stranger.recv(100).startswith(b"HTTP/1.0 400")
    assert open_server.get("/api/sources")[0] == 200
    assert caplog.records == []


def test_a_mistake_is_one_line_of_json(open_server):
    status, _, body = open_server.get("/nothing")
    assert (status, body) == (404, b'{"error": "Not Found"}')
    status, headers, body = open_server.get("/api/people", method="DELETE")
    assert (status, headers["Allow"]) == (405, "GET,HEAD")
    assert open_server.get("/static/../server.py")[0] == 404
    assert open_server.get("/static/%2e%2e/server.py")[0] == 404
