#!/usr/bin/env bash
# A task that is cancelled inside of `async with aiosmtplib.SMTP(...)` (5.1.3) does not end: leaving the block sends QUIT
# and waits for the server's answer up to `timeout`, 60 s by default, with the cancellation held back meanwhile. So one
# silent mail server holds up the shutdown of a program. connect() with close() in a finally block ends at once.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --disable-pip-version-check --quiet install aiosmtplib==5.1.3
"$work/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import time

import aiosmtplib

TIMEOUT_S = 4.0
heard = []


async def answer(reader, writer):
    """Greets, and is silent from MAIL on."""
    writer.write(b"220 mail.test\r\n")
    while line := await reader.readline():
        heard.append(line[:4].decode())
        if line.startswith(b"EHLO"):
            writer.write(b"250 mail.test\r\n")
    writer.close()


async def cancelled_after(send):
    """Seconds from the cancellation to the end of the task, and what the server heard since."""
    heard.clear()
    task = asyncio.create_task(send)
    while "MAIL" not in heard and not task.done():
        await asyncio.sleep(0.01)
    began = time.monotonic()
    task.cancel()
    await asyncio.wait([task])
    return time.monotonic() - began, heard[heard.index("MAIL") + 1 :]


async def main():
    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    plain = {"use_tls": False, "start_tls": False, "local_hostname": "localhost"}
    new = lambda: aiosmtplib.SMTP(hostname="127.0.0.1", port=port, timeout=TIMEOUT_S, **plain)

    async def as_context():
        async with new() as client:
            await client.mail("a@example.com")

    async def by_hand():
        client = new()
        try:
            await client.connect()
            await client.mail("a@example.com")
        finally:
            client.close()

    context_s, context_heard = await cancelled_after(as_context())
    hand_s, hand_heard = await cancelled_after(by_hand())
    print(f"aiosmtplib {aiosmtplib.__version__}, Python {sys.version.split()[0]}, timeout {TIMEOUT_S} s")
    print(f"async with: ended {context_s:.1f} s after the cancellation, the server heard {context_heard}")
    print(f"connect and close: ended {hand_s:.1f} s after it, the server heard {hand_heard}")
    return context_s > TIMEOUT_S / 2 and "QUIT" in context_heard and hand_s < TIMEOUT_S / 2


sys.exit(0 if asyncio.run(main()) else 1)
PYTHON
