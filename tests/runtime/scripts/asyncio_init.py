"""Uses asyncio in init() and in run(), as it may under Azure ML's server."""

import asyncio


async def load():
    await asyncio.sleep(0)
    return "loaded"


def init():
    global model
    model = asyncio.run(load())


def run(data):
    return {"init": model, "run": asyncio.run(load())}
