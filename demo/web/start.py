"""From options to a server: its address, token and certificate."""

import os
import re
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path

from demo.arguments import TOKEN_VARIABLE
from demo.errors import UserError
from demo.events import Event, Notify
from demo.options import Options
from demo.web.addresses import machine_address, parse_address
from demo.web.context import Context
from demo.web.server import Listening, WebServer

NAME_PATTERN = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?")
TOKEN_BYTES = 24
MIN_TOKEN, MAX_TOKEN = 8, 1000  # characters


def start_server(
    options: Options, context: Context, notify: Notify, variables: Mapping[str, str] = os.environ
) -> WebServer:
    """A server as the options ask for it; `notify` says which address to open. Raises UserError."""
    assert options.serve is not None
    address = parse_address(options.serve)
    token = _token(options, variables)
    if token is None and not address.loopback:
        raise UserError(
            f"--serve {options.serve}: other machines need a token: give --token-file FILE or the "
            f"environment variable {TOKEN_VARIABLE}, or let --make-token make one"
        )
    for name in options.serve_name:
        if not NAME_PATTERN.fullmatch(name):
            raise UserError(f"--serve-name {name}: give a name, or NAME:PORT")
    listening = Listening(address, token, options.serve_name, _tls(options))
    server = WebServer(context, listening)
    ending = ""
    if token is not None:
        ending = f"?token={token}" if options.make_token else "?token=TOKEN, with your token"
    path = "" if options.sources or not options.serve_cameras else "camera"
    others = server.url.replace("//127.0.0.1:", f"//{machine_address()}:")
    url = others if address.everywhere and machine_address() else server.url
    notify(Event("info", f"open {url}{path}{ending} in a browser"))
    return server


def _token(options: Options, variables: Mapping[str, str]) -> str | None:
    """The token of the options or the environment."""
    if options.make_token:
        return secrets.token_urlsafe(TOKEN_BYTES)
    if options.token_file is not None:
        name = f"--token-file {options.token_file}"
        try:
            token = options.token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{name} cannot be read: {_reason(error)}") from None
    elif TOKEN_VARIABLE in variables:
        name, token = TOKEN_VARIABLE, variables[TOKEN_VARIABLE].strip()
    else:
        return None
    good = token.isascii() and token.isprintable() and " " not in token
    if not good or not MIN_TOKEN <= len(token) <= MAX_TOKEN:
        raise UserError(
            f"{name}: a token is one word of {MIN_TOKEN} to {MAX_TOKEN} ASCII characters"
        )
    return token


def _tls(options: Options) -> ssl.SSLContext | None:
    """The certificate of the options."""
    cert, key = options.tls_cert, options.tls_key
    if cert is None:
        if key is not None:
            raise UserError(f"--tls-key {key} is of no use without --tls-cert")
        return None
    for path in filter(None, (cert, key)):
        _check_readable(path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        tls.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        files = f"{cert} and {key}" if key else str(cert)
        raise UserError(
            f"--tls-cert: {files}: no certificate with its key in PEM without a password "
            f"({_reason(error)})"
        ) from None
    return tls


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def _no_password() -> str:
    raise ValueError("it has a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not understood").lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
