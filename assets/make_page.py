"""Make `assets/page.jpg`, the live page on a screen and on a phone, with Chromium and playwright.

python assets/make_page.py
"""

import argparse
import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SCREEN, PHONE = (1180, 760), (390, 760)  # CSS pixels
GAP = 24  # pixels
SECONDS = 9.0  # of the clip, until two people have crossed
QUALITY = 82  # of JPEG, 0 to 100


def shot(browser: Browser, url: str, size: tuple[int, int], scheme: str) -> Image.Image:
    """The page as it is after SECONDS."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(url)
    time.sleep(SECONDS)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def pictures() -> list[Image.Image]:
    """The page on a screen, light, and on a phone, dark, of a new run each."""
    command = [sys.executable, "stream.py", "-s", "assets/demo.mp4", "--no-display", "--serve", "0"]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    made = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for size, scheme in ((SCREEN, "light"), (PHONE, "dark")):
            run = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
            assert run.stderr is not None
            made.append(shot(browser, run.stderr.readline().split()[2], size, scheme))
            run.terminate()
            run.wait()
        browser.close()
    return made


def main() -> None:
    """Join both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("page.jpg"))
    args = parser.parse_args()
    screen, phone = pictures()
    joined = Image.new("RGB", (screen.width + GAP + phone.width, screen.height), "white")
    joined.paste(screen, (0, 0))
    joined.paste(phone, (screen.width + GAP, 0))
    joined.save(args.output, quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
