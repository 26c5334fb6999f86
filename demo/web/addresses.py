"""The address of the server, and the names under which browsers reach it."""

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

from demo.errors import UserError

DEFAULT_HOST = "127.0.0.1"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
USUAL_PORTS = {"http": 80, "https": 443}  # browsers leave these out
ADDRESS_PATTERN = re.compile(r"(?:(\[[0-9a-fA-F:.%]+\]|[^\[\]:/\s]+):)?([0-9]{1,5})")

PORT_PATTERN = re.compile(r"(?<=[^:]):[0-9]{1,5}$")  # at the end of a name


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str  # a name or an address, IPv6 without brackets
    port: int  # 0: one that is free

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host.lower() == "localhost"

    @property
    def everywhere(self) -> bool:
        """Whether it is all addresses of this machine."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_unspecified
        return False


def parse_address(text: str) -> Address:
    """The address in "8000", "0.0.0.0:8000" or "[::1]:8000". Raises UserError."""
    found = ADDRESS_PATTERN.fullmatch(text.strip())
    if not found or int(found[2]) > 65535:
        raise UserError(f"--serve {text}: give a port or HOST:PORT, as 8000 or 0.0.0.0:8000")
    return Address((found[1] or DEFAULT_HOST).strip("[]"), int(found[2]))


def host_names(address: Address, further: tuple[str, ...] = ()) -> set[str]:
    """The names of this server, in lower case and without a port: loopback's, the one that it
    listens on, where that is everywhere those of the machine, and `further` ones."""
    names = {*further}
    if address.loopback or address.everywhere:
        names |= {*LOOPBACK_NAMES}
    if address.everywhere:
        host = socket.gethostname()
        names |= {host, f"{host}.local", *_addresses(host)}
    else:
        names.add(_bracketed(address.host))
    return {name.lower() for name in names}


def with_ports(names: set[str], port: int, scheme: str) -> set[str]:
    """The names as browsers send them in `Host`; a name may have a port of its own, where a proxy
    or container listens on another one."""
    own = {name for name in names if PORT_PATTERN.search(name)}
    asked = own | {f"{name}:{port}" for name in names - own}
    usual = [f":{USUAL_PORTS[scheme]}", *(f":{port}" for port in USUAL_PORTS.values() if own)]
    return asked | {name.removesuffix(end) for name in asked for end in usual}


def url_of(address: Address, port: int, scheme: str) -> str:
    """The address to open on this machine or, where the server listens on one, on others."""
    host = "127.0.0.1" if address.everywhere else _bracketed(address.host)
    return f"{scheme}://{host}:{port}/"


def machine_address() -> str | None:
    """The address of this machine in its network; None without one. Nothing is sent."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # for documentation: it picks the interface
        return str(probe.getsockname()[0])
    return None


def _addresses(host: str) -> set[str]:
    found = {machine_address() or "127.0.0.1"}
    with suppress(OSError):
        found |= {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    return {_bracketed(each.partition("%")[0]) for each in found}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
