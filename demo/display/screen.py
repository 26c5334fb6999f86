"""The size of the screen, so that a window fits on it."""

import ctypes
import sys

UNKNOWN_SCREEN = 1280, 800  # width and height to reckon with where the system states none
WINDOWS_WORK_AREA = 0x0030  # SPI_GETWORKAREA


class Monitor(ctypes.Structure):
    """XineramaScreenInfo: one of several monitors of an X screen."""

    _fields_ = (
        ("number", ctypes.c_int),
        *((name, ctypes.c_short) for name in ("left", "top", "width", "height")),
    )


def screen_size() -> tuple[int, int]:
    """Width and height of the screen in the units of windows; of several, of the smallest."""
    measure = {"win32": _windows_size, "darwin": _mac_size}.get(sys.platform, _x_size)
    try:
        width, height = measure()
    except (OSError, AttributeError):  # the library or its function is absent
        return UNKNOWN_SCREEN
    return (width, height) if width > 0 and height > 0 else UNKNOWN_SCREEN


def _x_size() -> tuple[int, int]:
    """Of the X server at $DISPLAY; (0, 0) without one."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not connection:
        return 0, 0
    try:
        screen = x11.XDefaultScreen(connection)
        whole = x11.XDisplayWidth(connection, screen), x11.XDisplayHeight(connection, screen)
        return min(_monitors(connection), key=lambda size: size[0] * size[1], default=whole)
    finally:
        x11.XCloseDisplay(connection)


def _monitors(connection: ctypes.c_void_p) -> list[tuple[int, int]]:
    """Width and height of each monitor; empty where the X server does not state them."""
    try:
        xinerama = ctypes.CDLL("libXinerama.so.1")
    except OSError:
        return []
    xinerama.XineramaQueryScreens.restype = ctypes.POINTER(Monitor)
    count = ctypes.c_int()
    monitors = xinerama.XineramaQueryScreens(connection, ctypes.byref(count))
    return [(monitors[k].width, monitors[k].height) for k in range(count.value if monitors else 0)]


def _windows_size() -> tuple[int, int]:
    """Of the main screen without the task bar."""
    area = (ctypes.c_long * 4)()  # left, top, right, bottom
    user32 = ctypes.CDLL("user32")
    user32.SystemParametersInfoW(WINDOWS_WORK_AREA, 0, ctypes.byref(area), 0)
    return area[2] - area[0], area[3] - area[1]


def _mac_size() -> tuple[int, int]:
    """Of the main screen."""
    folder = "/System/Library/Frameworks/CoreGraphics.framework"
    graphics = ctypes.CDLL(f"{folder}/CoreGraphics")
    graphics.CGDisplayPixelsWide.restype = graphics.CGDisplayPixelsHigh.restype = ctypes.c_size_t
    main = graphics.CGMainDisplayID()
    return graphics.CGDisplayPixelsWide(main), graphics.CGDisplayPixelsHigh(main)
