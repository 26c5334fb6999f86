"""Which source reads what the user named: a camera, a stream, a video, a photo or a folder."""

import math
import os
import re
from pathlib import Path
from urllib.parse import unquote

from demo.errors import UserError
from demo.sources.base import Source
from demo.sources.capture import Camera, Stream
from demo.sources.live import LiveSource
from demo.sources.photos import OTHER_SUFFIXES, PHOTO_SUFFIXES, PhotoSource, is_photo, photos_in
from demo.sources.redact import redact
from demo.sources.video import VideoSource

FILES = {  # videos; by http, what else there is may be a camera's stream
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".3gp", ".ogv", ".mts", ".m2ts"),
}
CAMERA = re.compile(r"(?:/dev/video)?([0-9]{1,3})")


def open_source(spec: str, give_up: float = math.inf) -> Source:
    """The source for what the user typed. Raises UserError where it cannot be opened.

    One that is live reconnects until `give_up` seconds have passed without a picture.
    """
    if not spec:
        raise UserError("-s names nothing: give a camera, a file, a folder or an address")
    device = os.path.realpath(spec)  # udev names cameras in /dev/v4l/by-id
    if camera := CAMERA.fullmatch(spec) or CAMERA.fullmatch(device):  # a folder 7 is ./7
        number = int(camera[1])
        return LiveSource(str(number), lambda: Camera(number), give_up)
    if spec.startswith("file://"):
        spec = unquote(spec.removeprefix("file://"))
    elif "://" in spec:
        file = Path(re.split("[?#]", spec)[0])
        if spec.lower().startswith("http") and file.suffix.lower() in FILES:
            return VideoSource(spec)
        return LiveSource(redact(spec), lambda: Stream(spec), give_up)
    path = Path(spec)
    if path.is_dir():
        return PhotoSource(spec, *photos_in(path))
    if not path.exists():
        raise UserError(f"no such file or folder: {redact(spec)}")
    suffix = path.suffix.lower()
    if suffix in PHOTO_SUFFIXES or (suffix not in FILES and path.is_file() and is_photo(path)):
        return PhotoSource(spec, [path])
    if suffix in OTHER_SUFFIXES - FILES:
        raise UserError(f"{spec} is a picture of a kind that is not read: make it a JPEG")
    return VideoSource(spec)
