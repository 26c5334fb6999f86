"""Who may ask: host, origin and token of every request, and the headers of every answer.

The server shows faces. A page of another site must not read them through the user's browser, also
not by a name that it lets point to this machine (DNS rebinding), so the host and the origin of a
request are compared with the configured names, never with each other.
"""

import hmac
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from demo.web.context import ASKED

COOKIE = "agestream"
COOKIE_SECONDS = 30 * 24 * 3600
BEARER = "bearer"
GO_ON = '<!DOCTYPE html><meta http-equiv="refresh" content="0;url={0}"><a href="{0}">Go on</a>'
OPEN_PATHS = ("/healthz",)  # tell nothing but that the server runs
PAGES = ("/", "/camera", "/history", "/api")
OWN_FETCHES = ("same-origin", "none")  # of Sec-Fetch-Site: ours, or typed by the user
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Access:
    """Who may ask."""

    hosts: frozenset[str]  # values of the header Host
    origins: frozenset[str]  # and of Origin
    scheme: str  # "http" or "https"
    token: str | None = None  # None: everyone who reaches the server


def guard(access: Access) -> Middleware:
    """The middleware that refuses what `access` does not allow."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        request.app[ASKED].add(request.protocol)
        try:
            _check_host(request, access)
            _check_origin(request, access)
            response = _check_token(request, access) or await handler(request)
        except web.HTTPException as error:
            if error.empty_body or error.status < 400:
                raise
            response = _refusal(error)
        return response

    return guarded


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of aiohttp: the headers of every answer."""
    response.headers["Server"] = "AgeStream"
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")


def _refusal(error: web.HTTPException) -> web.Response:
    """An error as one line of JSON."""
    text = error.text if error.text and not error.text.startswith(f"{error.status}:") else None
    kept = {
        name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")
    }
    return web.json_response({"error": text or error.reason}, status=error.status, headers=kept)


def _check_host(request: web.Request, access: Access) -> None:
    host = request.headers.get("Host", "").lower()
    if host not in access.hosts:
        raise web.HTTPMisdirectedRequest(
            text="this server is not known by that name: open the address that it printed, or "
            "start it with --serve-name NAME"
        )


def _check_origin(request: web.Request, access: Access) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in access.origins:
        raise web.HTTPForbidden(text="requests of other sites are refused")
    fetched = request.headers.get("Sec-Fetch-Site", "none")
    if fetched not in OWN_FETCHES and not _opens_page(request):
        raise web.HTTPForbidden(text="requests of other sites are refused")


def _opens_page(request: web.Request) -> bool:
    """Whether a user follows a link to one of our pages, which shows nothing to the other site."""
    navigates = request.headers.get("Sec-Fetch-Mode") == "navigate"
    top = request.headers.get("Sec-Fetch-Dest") == "document"
    return navigates and top and request.method == "GET" and request.path in PAGES


def _check_token(request: web.Request, access: Access) -> web.StreamResponse | None:
    """Refuse a request without the token; where it came in the address of a page, answer with a
    cookie and the address without it."""
    if access.token is None or request.path in OPEN_PATHS:
        return None
    given = request.query.get("token")
    if given is not None and _same(given.replace(" ", "+"), access.token):  # + means a blank there
        return _with_cookie(request, access) if request.path in PAGES else None
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    shown = [request.cookies.get(_cookie(request), ""), bearer if kind.lower() == BEARER else ""]
    if any(_same(each, access.token) for each in shown):
        return None
    raise web.HTTPUnauthorized(text="no token: open the address with ?token=TOKEN at its end")


def _with_cookie(request: web.Request, access: Access) -> web.StreamResponse:
    rest = [(name, value) for name, value in request.query.items() if name != "token"]
    target = request.path + (f"?{urlencode(rest)}" if rest else "")
    # A redirect would still belong to the site whose link was followed, and browsers would not send
    # the cookie along; a page of ours that goes on by itself is a new start.
    response = web.Response(text=GO_ON.format(escape(target)), content_type="text/html")
    response.set_cookie(
        _cookie(request),
        access.token or "",
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=access.scheme == "https",
    )
    return response


def _cookie(request: web.Request) -> str:
    """Its name: browsers send a host's cookies to all of its ports, where other runs may listen."""
    return f"{COOKIE}-{request.url.port}"


def _same(given: str, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
