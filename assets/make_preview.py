"""Make `assets/demo.webp`, the moving picture of the README, from a recording of AgeStream.

python stream.py -s assets/demo.mp4 -o annotated.mp4 --no-display
python assets/make_preview.py annotated.mp4
"""

import argparse
from pathlib import Path

import av
from PIL import Image

START, END = 3.5, 11.0  # seconds of the recording: two people cross, a third one enters
STEP = 2  # every second frame: 12.5 per second
SIZE = (640, 360)  # pixels
QUALITY = 70  # of WebP, 0 to 100


def frames(recording: Path) -> tuple[list[Image.Image], float]:
    """The chosen frames at SIZE, and the milliseconds for which each is shown."""
    with av.open(recording) as video:
        stream = video.streams.video[0]
        assert stream.average_rate is not None
        fps = float(stream.average_rate)
        first, last = round(START * fps), round(END * fps)
        chosen = [
            frame.to_image().resize(SIZE, Image.Resampling.LANCZOS)
            for index, frame in enumerate(video.decode(stream))
            if first <= index < last and (index - first) % STEP == 0
        ]
    return chosen, 1000 * STEP / fps


def main() -> None:
    """Convert the recording that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("demo.webp"))
    args = parser.parse_args()
    (first, *others), milliseconds = frames(args.recording)
    first.save(
        args.output,
        save_all=True,
        append_images=others,
        duration=round(milliseconds),
        loop=0,
        quality=QUALITY,
        method=4,
    )


if __name__ == "__main__":
    main()
