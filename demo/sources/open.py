"""Which source reads what the user named: a camera, a stream, a video, a photo or a folder."""

import math
import os
import re
from pathlib import Path
from urllib.parse import unquote

from demo.errors import UserError
from demo.sources.animation import AnimationSource
from demo.sources.base import Source
from demo.sources.capture import DEFAULT_TIMEOUTS, Camera, LiveTimeouts, Stream
from demo.sources.live import LiveSource
from demo.sources.photo_files import is_animated, is_photo
from demo.sources.photos import PHOTO_SUFFIXES, UNSUPPORTED_SUFFIXES, PhotoSource, photos_in
from demo.sources.redact import redact
from demo.sources.video import VideoSource

VIDEO_SOURCE_SUFFIXES = {  # over http, an address without one of them may be the stream of a camera
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".3gp", ".ogv", ".mts", ".m2ts"),
}
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
    if spec.startswith("file://"):
        return _open_path(unquote(spec.removeprefix("file://"), errors="surrogateescape"))
    if "://" in spec:
        return _open_address(spec, give_up, timeouts)
    return _open_path(spec)


def _open_address(address: str, give_up: float, timeouts: LiveTimeouts) -> Source:
    file = Path(re.split("[?#]", address)[0])
    if address.lower().startswith("http") and file.suffix.lower() in VIDEO_SOURCE_SUFFIXES:
        return VideoSource(address, timeouts.open)
    return LiveSource(redact(address), lambda: Stream(address, timeouts), give_up, timeouts)


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
