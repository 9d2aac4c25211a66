"""The simulator in process, under the real openai client: `sim:` models need no network and no key."""

import asyncio

import httpx2

from .simulator import Simulator


class EmbeddedTransport(httpx2.AsyncBaseTransport):
    """Answers HTTP requests from a simulator instead of a server."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the simulator's reply after its delay; a dropped connection is a read error."""
        target = request.url.raw_path.decode("ascii")
        reply = self._simulator.respond(request.method, target, request.headers, await request.aread())
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.drop:
            raise httpx2.ReadError("the simulated connection was dropped", request=request)
        return httpx2.Response(reply.status, headers=reply.headers, content=reply.body)
