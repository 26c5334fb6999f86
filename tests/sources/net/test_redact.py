import pytest

from demo.sources.net.redact import redact


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("0", "0"),
        ("holiday@sea.mp4", "holiday@sea.mp4"),
        ("rtsp://camera:554/1", "rtsp://camera:554/1"),
        ("rtsp://me:secret@camera:554/1", "rtsp://***@camera:554/1"),
        ("rtsp://me@camera/1", "rtsp://***@camera/1"),
        ("RTSP://me:a@b/c?d#e@camera/1", "RTSP://***@camera/1"),
        ("http://c/v.cgi?usr=me&pwd=x&rate=0", "http://c/v.cgi?usr=***&pwd=***&rate=0"),
        ("rtsp://c/user=me&password=x&channel=1", "rtsp://c/user=***&password=***&channel=1"),
        ("https://c/a.m3u8?X-Auth-Token=x#t", "https://c/a.m3u8?X-Auth-Token=***#t"),
        ("me:secret@camera", "***@camera"),
    ],
)
def test_a_public_name_has_no_login(source, public):
    assert redact(source) == public
