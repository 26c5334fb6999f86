"""Render `assets/demo.mp4`: three people move about in front of a webcam, by a known script.

Every face is `skimage.data.astronaut()`, the portrait of Eileen Collins (NASA, public domain);
the room behind is drawn here, so the clip carries no other rights.

    pip install av opencv-python scikit-image
    python assets/make_demo.py [-o assets/demo.mp4]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator
from skimage.data import astronaut

FRAME = WIDTH, HEIGHT = 960, 540
FPS, SECONDS = 25, 16
# Without the last two, x264's bytes depend on the core count and differ from run to run.
X264 = {"crf": "24", "preset": "slow", "threads": "1", "x264-params": "cpu-independent=1"}
# x and y of every pixel of the photo and, since warps are smooth, of every 4x4 in the picture.
PHOTO = np.stack(np.meshgrid(np.arange(512), np.arange(512)), axis=-1)  # (512, 512, 2)
PICTURE = np.stack(np.meshgrid(*(np.arange(1.5, n, 4) for n in FRAME)), axis=-1)  # (135, 240, 2)

# In photo pixels; the face is the box that MTCNN finds: 107 high, centred here.
FACE, FACE_HEIGHT, NECK = np.array([223, 118]), 107, np.array([223, 180])
HEAD, HEAD_RADII = np.array([228, 100]), np.array([76, 88])
OUTLINE = [(222, 8), (290, 34), (308, 100), (268, 150), (312, 240), (355, 275), (366, 330),
           (400, 336), (475, 375), (504, 512), (10, 512), (34, 270), (112, 175), (165, 140),
           (146, 95), (160, 40)]  # fmt: skip

# Left, top, right, bottom and BGR of what stands in the room, before the lens blurs it.
ROOM = [
    (60, -20, 190, 130, (246, 240, 230)), (202, -20, 330, 130, (246, 240, 230)),
    (60, 140, 190, 300, (246, 240, 230)), (202, 140, 330, 300, (246, 240, 230)),
    (640, 190, 930, 206, (86, 112, 142)), (660, 100, 690, 190, (92, 84, 150)),
    (694, 90, 716, 190, (140, 118, 82)), (722, 110, 760, 190, (96, 138, 170)),
    (840, 96, 862, 190, (100, 130, 92)), (0, 400, 960, 540, (104, 116, 130)),
]  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """One copy of the person; `keys` rows are t (s), face x, y, height (px), tilt, yaw (degrees).

    Positive tilt is clockwise, positive yaw turns to the right of the picture. The photo ends 3.7
    face heights below the face: keep y + 3.7 * height below the picture.
    """

    side: int  # 1, or -1 for mirrored
    suit: tuple[int, float]  # added to the OpenCV hue (0..179), times the saturation
    hair: float  # brightness
    light: tuple[float, float, float]  # gain of blue, green, red
    keys: list[tuple[float, float, float, float, float, float]]


ACTORS = [
    Actor(1, (0, 0.95), 1.0, (0.95, 0.95, 0.95), [
        (0.0, 300, 270, 130, 0, 0),
        (1.8, 320, 265, 140, 10, 18),
        (3.4, 340, 268, 155, -6, -16),
        (6.2, 640, 280, 212, 5, 22),     # crosses in front of the second
        (8.0, 690, 275, 220, -10, -25),
        (10.5, 560, 265, 150, 4, 14),
        (12.3, 490, 270, 135, 23, 0),
        (14.0, 480, 268, 140, -22, -16),
        (16.0, 460, 270, 150, 0, 0),
    ]),
    Actor(-1, (103, 0.7), 0.55, (0.88, 0.88, 0.9), [
        (0.0, 680, 272, 100, -4, -16),
        (1.6, 700, 280, 92, 10, 22),
        (3.4, 660, 276, 104, -8, -22),
        (6.2, 300, 284, 112, 4, -26),    # passes behind the first
        (7.6, 200, 290, 104, 14, 12),
        (9.4, -280, 290, 108, -4, -26),  # leaves on the left
        (11.6, -280, 285, 115, 0, 26),
        (13.4, 190, 282, 122, 10, 24),   # is back
        (16.0, 200, 275, 150, -8, -4),
    ]),
    Actor(1, (78, 0.6), 0.75, (0.8, 0.86, 0.94), [
        (7.6, 1090, 330, 60, 0, -20),    # enters on the right, far away
        (9.8, 850, 328, 62, 4, -20),
        (11.6, 770, 305, 80, -12, 10),
        (13.0, 790, 292, 94, 12, 20),
        (15.6, 1160, 300, 90, 0, 26),    # and leaves there
    ]),
]  # fmt: skip


def inside_head(points: np.ndarray, reach: float) -> np.ndarray:
    """1 on the head, falling smoothly to 0 at `reach` head radii; points (..., 2) in the photo."""
    radius = np.linalg.norm((points - HEAD) / HEAD_RADII, axis=-1, keepdims=True)
    ramp = np.clip((reach - radius) / (reach - 1), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def cut_out(photo: np.ndarray) -> np.ndarray:
    """Matte of the person, (512, 512, 1) float32, 0..1, with a soft edge."""
    person = cv2.fillPoly(np.zeros(photo.shape[:2], np.uint8), [np.array(OUTLINE)], 1)
    core = cv2.erode(person, np.ones((49, 49)), borderValue=1)
    trimap = cv2.GC_PR_FGD * (person - core) + cv2.GC_FGD * core
    cv2.setRNGSeed(0)
    cv2.grabCut(photo, trimap, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    matte = (trimap & 1).astype(np.float32)  # both foreground labels are odd
    matte = cv2.morphologyEx(matte, cv2.MORPH_CLOSE, np.ones((9, 9)))
    return cv2.GaussianBlur(cv2.erode(matte, np.ones((3, 3))), (0, 0), 1.2)[..., None]


def dress(photo: np.ndarray, matte: np.ndarray, actor: Actor) -> np.ndarray:
    """The actor's own colours, (512, 512, 4) float32, BGR premultiplied by the matte."""
    hsv = cv2.cvtColor(photo, cv2.COLOR_BGR2HSV).astype(np.float32)
    # The skin's hue is near 12, the hair's near 20; eyes and mouth lie in the oval left out.
    yellow = np.clip((cv2.GaussianBlur(hsv, (0, 0), 2)[..., :1] - 14) / 4, 0, 1)
    oval = np.linalg.norm((PHOTO - FACE) / (48, 62), axis=-1, keepdims=True)
    dyed = photo * (1 - (1 - actor.hair) * yellow * np.clip(8 * oval - 7, 0, 1))
    hsv[..., 0] = (hsv[..., 0] + actor.suit[0]) % 180
    suit = cv2.cvtColor((hsv * (1, actor.suit[1], 1)).astype(np.uint8), cv2.COLOR_HSV2BGR)
    head = inside_head(PHOTO, 1.15)
    coloured = (head * dyed + (1 - head) * suit) * actor.light
    return np.dstack([coloured * matte, 255 * matte]).astype(np.float32)


def rotated(points: np.ndarray, degrees: np.ndarray | float, pivot: np.ndarray) -> np.ndarray:
    """Points (..., 2) turned clockwise, as seen with y down, about `pivot`."""
    turn = np.exp(1j * np.radians(degrees)) * ((points - pivot) @ (1, 1j))[..., None]
    return np.concatenate([turn.real, turn.imag], axis=-1) + pivot


def turn_head(points: np.ndarray, yaw: float) -> np.ndarray:
    """Shift photo points (..., 2) as if the head were round: what is near the lens moves most."""
    (x, y), slide = np.moveaxis(points, -1, 0), np.sin(np.radians(yaw))
    round_ = np.clip(1 - ((x - HEAD[0]) / 110) ** 2, 0, 1) ** 2 * np.exp(-(((y - 120) / 75) ** 4))
    nose = np.exp(-(((x - FACE[0] - 70 * slide) / 13) ** 2) - ((y - 122) / 18) ** 2)
    return np.stack([x - slide * (70 * round_ + 12 * nose), y], axis=-1)


def photo_points(pose: np.ndarray, side: int) -> np.ndarray:
    """Where in the photo each pixel of the picture comes from, (540, 960, 2) float32, x and y."""
    x, y, height, tilt, yaw = pose
    lean, nod = 0.35 * side * tilt, 0.65 * side * tilt  # body and neck share the tilt
    face = rotated(FACE, nod, NECK)
    body = rotated(face + (PICTURE - (x, y)) * (side, 1) * FACE_HEIGHT / height, -lean, face)
    on_head = inside_head(rotated(body, -nod, NECK), 1.7)
    coarse = turn_head(rotated(body, -nod * on_head, NECK), side * yaw)
    return cv2.resize(coarse.astype(np.float32), FRAME)


def pose_at(actor: Actor, seconds: float) -> np.ndarray | None:
    """Face x, y, height, tilt and yaw with a little sway; None while not on stage."""
    times, *_ = rows = np.array(actor.keys).T
    if not times[0] <= seconds <= times[-1]:
        return None
    pose = PchipInterpolator(times, rows[1:], axis=1)(seconds)
    pose[:2] += 0.02 * pose[2] * np.sin((1.9 * seconds, 2.7 * seconds + times[0]))
    return pose


def draw_room() -> np.ndarray:
    """An office out of focus, (540, 960, 3) float32 BGR."""
    room = np.full((HEIGHT, WIDTH, 3), (182, 194, 204), np.float32)
    for left, top, right, bottom, colour in ROOM:
        cv2.rectangle(room, (left, top), (right, bottom), colour, -1)
    falloff = cv2.resize(np.linalg.norm((PICTURE - (260, 150)) / (1700, 1300), axis=-1), FRAME)
    return cv2.GaussianBlur(room, (0, 0), 9) * (1.05 - falloff[..., None])


def frames() -> Iterator[np.ndarray]:
    """The clip, one (540, 960, 3) uint8 BGR picture after another."""
    photo = np.ascontiguousarray(astronaut()[..., ::-1])
    matte, room, rng = cut_out(photo), draw_room(), np.random.default_rng(0)
    cast = [(actor, dress(photo, matte, actor)) for actor in ACTORS]
    for seconds in np.arange(SECONDS * FPS) / FPS:
        poses = [(pose_at(actor, seconds), actor, person) for actor, person in cast]
        on_stage = [entry for entry in poses if entry[0] is not None]
        picture = room
        for pose, actor, person in sorted(on_stage, key=lambda entry: entry[0][2]):  # nearest last
            layer = cv2.remap(person, photo_points(pose, actor.side), None, cv2.INTER_LINEAR)
            picture = picture * (1 - layer[..., 3:] / 255) + layer[..., :3]
        exposure = 0.97 + 0.03 * np.sin(0.8 * seconds)
        noise = rng.normal(0, 1.5, (HEIGHT, WIDTH, 1))
        picture = cv2.GaussianBlur(picture, (0, 0), 0.6) * exposure + noise
        yield np.clip(picture, 0, 255).astype(np.uint8)


def main() -> None:
    """Render the clip and save it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("demo.mp4"))
    with av.open(parser.parse_args().output, "w") as video:
        stream = video.add_stream("libx264", FPS, options=X264)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in frames():
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        video.mux(stream.encode())


if __name__ == "__main__":
    main()
