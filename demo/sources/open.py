"""Which source reads what the user named: a camera, a stream, a video, a photo or a folder."""

import math
import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from demo.errors import UserError
from demo.sources.base import Source
from demo.sources.capture import DEFAULT_TIMEOUTS, Camera, LiveTimeouts
from demo.sources.connection import connect_in_thread
from demo.sources.live import LiveSource
from demo.sources.net.address import Remote
from demo.sources.net.redact import redact
from demo.sources.photo.animation import AnimationSource
from demo.sources.photo.files import is_animated, is_photo
from demo.sources.photo.source import PhotoSource, photos_in
from demo.sources.suffixes import (
    PHOTO_SUFFIXES,
    UNSUPPORTED_SUFFIXES,
    VIDEO_SOURCE_SUFFIXES,
)
from demo.sources.video import VideoSource

FILE_PATTERN = re.compile(r"file:(?://(?:localhost(?=/))?|(?=/))(.*)", re.IGNORECASE | re.DOTALL)
DRIVE_PATTERN = re.compile(r"/[a-z]:/", re.IGNORECASE)  # begins the path of a file URL on Windows
WINDOWS = os.name == "nt"
CAMERA_PATTERN = re.compile(r"(?:/dev/video)?([0-9]{1,3})")


def open_source(
    spec: str, give_up: float = math.inf, timeouts: LiveTimeouts = DEFAULT_TIMEOUTS
) -> Source:
    """Open what `spec` names: a camera number, a file, a folder of photos or an address.

    A camera or stream that fails later is opened again until it has sent no frame for `give_up`
    seconds. Raises UserError if the source cannot be opened.
    """
    if not spec:
        raise UserError("-s is empty: give a camera, a file, a folder or an address")
    device = os.path.realpath(spec)  # udev links to cameras in /dev/v4l/by-id
    if camera := CAMERA_PATTERN.fullmatch(spec) or CAMERA_PATTERN.fullmatch(device):
        number = int(camera[1])  # even if there is a folder of this name: that is ./7
        return LiveSource(str(number), lambda: Camera(number), give_up, timeouts)
    if file := FILE_PATTERN.fullmatch(spec):
        return _open_path(_path_of(file[1]))
    if "://" in spec:
        scheme, _, rest = spec.partition("://")
        return _open_address(f"{scheme.lower()}://{rest}", give_up, timeouts)
    return _open_path(spec)


def _path_of(quoted: str) -> str:
    """The path in a file URL. A name may be any bytes, text or not."""
    path = os.fsdecode(unquote_to_bytes(quoted))
    return path[1:] if WINDOWS and DRIVE_PATTERN.match(path) else path


def _open_address(address: str, give_up: float, timeouts: LiveTimeouts) -> Source:
    """Open a network address. All waiting is done in a thread, so that Ctrl-C works."""
    remote = Remote(address, timeouts)
    name, patience = f"stream {remote.name}", 2 * timeouts.open
    stream = connect_in_thread(remote.connect, name, patience)
    if not remote.holds_file(stream):
        return LiveSource(remote.name, remote.reconnect, give_up, timeouts, stream)
    stream = connect_in_thread(lambda: remote.open_file(stream), name, patience)
    return VideoSource(address, timeouts.open, stream.opened)


def _open_path(name: str) -> Source:
    path, suffix = Path(name), Path(name).suffix.lower()
    if path.is_dir():
        return PhotoSource(name, *photos_in(path))
    if not path.exists():
        raise UserError(f"no such file or folder: {redact(name)}")
    if suffix in PHOTO_SUFFIXES or (
        suffix not in VIDEO_SOURCE_SUFFIXES and path.is_file() and is_photo(path)
    ):
        return AnimationSource(name) if is_animated(path) else PhotoSource(name, [path])
    if suffix in UNSUPPORTED_SUFFIXES - VIDEO_SOURCE_SUFFIXES:
        raise UserError(f"{name}: pictures of this format are not supported, convert it to JPEG")
    return VideoSource(name)
