"""Addresses, tokens and certificates of the server, and the command that starts it."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest

from demo.arguments import options, parser
from demo.errors import UserError
from demo.options import Options
from demo.web import start
from demo.web.addresses import Address, host_names, parse_address, url_of, with_ports
from demo.web.server import listen
from tests.imports import ROOT
from tests.web.serving import served


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("8000", Address("127.0.0.1", 8000), True),
        ("0", Address("127.0.0.1", 0), True),
        ("localhost:80", Address("localhost", 80), True),
        ("[::1]:8000", Address("::1", 8000), True),
        ("0.0.0.0:8000", Address("0.0.0.0", 8000), False),
        ("[::]:8000", Address("::", 8000), False),
        ("192.168.1.5:8000", Address("192.168.1.5", 8000), False),
        ("kiosk.local:8000", Address("kiosk.local", 8000), False),
    ],
)
def test_addresses(text, address, loopback):
    assert parse_address(text) == address
    assert address.loopback == loopback


@pytest.mark.parametrize(
    "text", ["", "port", "70000", "a:b", "::1:80", "http://a:80", "a b:80", "-1"]
)
def test_what_is_no_address_is_one_line(text):
    with pytest.raises(UserError, match="give a port or HOST:PORT"):
        parse_address(text)


def test_the_names_of_a_server():
    assert host_names(Address("127.0.0.1", 1)) == {"localhost", "127.0.0.1", "[::1]"}
    assert host_names(Address("10.0.0.5", 1), ("Kiosk",)) == {"10.0.0.5", "kiosk"}
    assert {"127.0.0.1", socket.gethostname().lower()} <= host_names(Address("0.0.0.0", 1))
    assert with_ports({"a"}, 8000, "http") == {"a:8000"}
    assert with_ports({"a"}, 443, "https") == {"a", "a:443"}
    assert with_ports({"a:443"}, 8000, "http") == {"a", "a:443"}
    assert with_ports({"a", "b:80", "[::1]"}, 8000, "http") == {
        *("a:8000", "b:80", "b", "[::1]:8000")
    }
    assert url_of(Address("::1", 0), 8000, "https") == "https://[::1]:8000/"
    assert url_of(Address("0.0.0.0", 0), 8000, "http") == "http://127.0.0.1:8000/"


def test_tokens_come_from_a_file_or_the_environment_or_are_made(tmp_path):
    path = tmp_path / "token"
    path.write_text("  a-long-token\n")
    assert (
        start._token(Options(token_file=path), {"AGESTREAM_TOKEN": "another-token"})
        == "a-long-token"
    )
    assert start._token(Options(), {"AGESTREAM_TOKEN": "another-token"}) == "another-token"
    assert start._token(Options(), {}) is None
    first, second = (start._token(Options(make_token=True), {}) or "" for _ in range(2))
    assert len(first) >= 32
    assert first != second


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two words here", b"\xff\xfe\xfd" * 9, b"x" * 2000]
)
def test_a_bad_token_is_one_line(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(UserError, match="token"):
        start._token(Options(token_file=path), {})
    with pytest.raises(UserError, match="No such file"):
        start._token(Options(token_file=tmp_path / "absent"), {})


def test_a_bad_certificate_is_one_line(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_text("no certificate")
    with pytest.raises(UserError, match="no certificate with its key"):
        start._tls(Options(tls_cert=path))
    with pytest.raises(UserError, match="No such file"):
        start._tls(Options(tls_cert=tmp_path / "absent.pem"))
    with pytest.raises(UserError, match="without --tls-cert"):
        start._tls(Options(tls_key=path))


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_https_with_a_certificate(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command += f" -subj /CN=localhost -days 2 -keyout {key} -out {cert}"
    subprocess.run(command.split(), check=True, capture_output=True)
    tls = start._tls(Options(tls_cert=cert, tls_key=key))
    with served(token="a-long-token", tls=tls) as run:
        assert run.server.url.startswith("https://127.0.0.1:")
        connection = http.client.HTTPSConnection(
            "127.0.0.1", run.port, timeout=5, context=ssl._create_unverified_context()
        )
        connection.request("GET", "/?token=a-long-token")
        answer = connection.getresponse()
        assert answer.status == 200
        assert "Secure" in answer.headers["Set-Cookie"].split("; ")
        connection.close()
    with pytest.raises(UserError, match="no certificate with its key"):
        start._tls(Options(tls_cert=cert))


def test_a_name_that_is_none_is_one_line():
    done = run_stream("--serve", "0", "--serve-name", "https://cam.example/")
    assert done.returncode == 2
    assert "give a name, or NAME:PORT" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_all_addresses_are_those_of_both_families():
    with listen(Address("::", 0)) as door:
        port = door.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), 5).close()


def test_the_command_line_gives_the_options_of_the_server():
    def chosen(*arguments: str) -> Options:
        return options(parser().parse_args(arguments))

    assert chosen().serve is None
    assert chosen("--serve").serve == "8000"
    assert chosen("--serve", "9000", "--serve-name", "a", "--serve-name", "b").serve_name == (
        "a",
        "b",
    )
    assert chosen("--serve-cameras").serve == "8000"
    assert chosen("--serve-cameras").serve_cameras


def run_stream(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **variables}
    command = [sys.executable, "stream.py", "-s", "assets/demo.mp4", "--no-display", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=60
    )


def test_a_foreign_address_needs_a_token():
    done = run_stream("--serve", "0.0.0.0:0")
    assert done.returncode == 2
    assert "other machines need a token" in done.stderr.splitlines()[-1]


def test_a_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_stream("--serve", str(port))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"stream: --serve: port {port} is in use: choose another one, or 0 for a free one"
    )


def test_an_address_of_another_machine_is_one_line():
    done = run_stream("--serve", "192.0.2.7:8000", AGESTREAM_TOKEN="a-long-token")
    assert done.returncode == 2
    assert "192.0.2.7 is no address of this machine" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent there")
def test_ctrl_c_with_a_viewer_ends_at_once_and_the_recording_is_complete(tmp_path):
    recording, token = tmp_path / "a.mp4", tmp_path / "token"
    token.write_text("a-long-token")
    command = [sys.executable, "stream.py", "-s", "assets/demo.mp4", "--no-display"]
    command += ["--serve", "0", "-o", str(recording), "--token-file", str(token)]
    run = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    line = run.stderr.readline()
    assert line.startswith("stream: open http://127.0.0.1:")
    assert "a-long-token" not in line
    url = line.split()[2].partition("?")[0]
    request = urllib.request.Request(
        f"{url}stream.mjpg", headers={"Authorization": "Bearer a-long-token"}
    )
    with urllib.request.urlopen(request, timeout=20) as viewer:
        viewer.read(20_000)
        start = time.monotonic()
        run.send_signal(signal.SIGINT)
        assert run.wait(10) == 130
        assert time.monotonic() - start < 3
    probe = subprocess.run(
        [sys.executable, "-c", f"import av; print(av.open({str(recording)!r}).duration)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(probe.stdout) > 0
