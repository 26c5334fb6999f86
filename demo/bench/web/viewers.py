"""Viewers without a browser, as on other machines: `python -m demo.bench.web.viewers URL SOURCE
WIDTH COUNT` opens the live page's WebSocket COUNT times, takes pictures of a source at most WIDTH
pixels wide and drops them. It prints a line when all are there, and ends with its input."""

import asyncio
import json
import sys
import time

import aiohttp

DRAWING_SECONDS = 0.01  # from the arrival of a picture to its acknowledgement
PICTURE_SECONDS = 1 / 30  # least, from one acknowledgement to the next: the rate of a camera


async def watch(session: aiohttp.ClientSession, url: str, view: str, there: asyncio.Event) -> None:
    """Acknowledge pictures until the server ends."""
    async with session.ws_connect(url, max_msg_size=0) as socket:
        await socket.send_str(view)
        due = 0.0
        async for message in socket:
            there.set()
            if message.type != aiohttp.WSMsgType.BINARY:
                continue
            length = int.from_bytes(message.data[:4], "little")
            header = json.loads(message.data[4 : 4 + length])
            now = time.monotonic()
            due = max(due + PICTURE_SECONDS, now + DRAWING_SECONDS)
            await asyncio.sleep(due - now)
            answer = {"type": "ack", "source": header["source"], "number": header["number"]}
            await socket.send_json(answer)


async def watch_all(url: str, source: str, width: int, count: int) -> None:
    """Run all viewers until the input ends."""
    view = json.dumps({"type": "view", "widths": {source: width}})
    arrivals = [asyncio.Event() for _ in range(count)]
    async with aiohttp.ClientSession() as session:
        viewers = [asyncio.create_task(watch(session, url, view, each)) for each in arrivals]
        await asyncio.gather(*(each.wait() for each in arrivals))
        sys.stdout.write("there\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        for viewer in viewers:
            viewer.cancel()
        await asyncio.gather(*viewers, return_exceptions=True)


if __name__ == "__main__":
    given_url, given_source, given_width, given_count = sys.argv[1:]
    asyncio.run(watch_all(given_url, given_source, int(given_width), int(given_count)))
