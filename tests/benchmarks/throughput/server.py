"""A chat server that answers all alike, after a while; so cheap that it is not what is measured.

    python server.py SECONDS

Prints its port.
"""

import asyncio
import json
import sys

TEXT = "There are three boats in the harbour, and one of them is blue. " * 6
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
        }
    ],
    "usage": {"prompt_tokens": 50, "completion_tokens": 90, "total_tokens": 140},
}
_BODY = json.dumps(ANSWER).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    _BODY
)


class _Chats(asyncio.Protocol):
    def __init__(self, seconds: float) -> None:
        self._seconds, self._read = seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            _, _, rest = head.partition(b"content-length:")
            size = end + 4 + int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self._read) < size:
                return
            self._read = self._read[size:]
            asyncio.get_running_loop().call_later(self._seconds, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_HEAD + _BODY)


async def main() -> None:
    """Serves until it is killed."""
    loop = asyncio.get_running_loop()
    seconds = float(sys.argv[1])
    server = await loop.create_server(lambda: _Chats(seconds), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
