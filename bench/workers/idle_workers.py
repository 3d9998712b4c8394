"""Many workers in Python in one process, for idle.py."""

import asyncio
import os

import stagecast


@stagecast.job(queue="plans")
async def nothing(job): ...


async def main():
    workers = [stagecast.Worker([nothing]) for _ in range(int(os.environ["WORKERS"]))]
    await asyncio.gather(*(worker.run() for worker in workers))


asyncio.run(main())
