"""The web page of a run: what aiohttp serves to browsers and programs."""
