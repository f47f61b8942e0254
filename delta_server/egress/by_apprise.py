"""Notifications by Apprise, a package that is not Delta's own and knows a hundred services more.

It connects by itself, past the guard of dialing.py: only an operator who trusts who makes webhooks turns it on
(`webhooks.apprise`). On few threads of its own, so that what hangs there holds nothing else up.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

AT_ONCE = 8
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delta-apprise")


def is_installed() -> bool:
    return find_spec("apprise") is not None


async def is_known(url: str) -> bool:
    """Whether it is the address of a service; of one on the server's own machine it is not."""
    return await _on_thread(_is_known, url)


async def notify(url: str, title: str, text: str, *, seconds: float) -> bool:
    """Whether it arrived. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        return await _on_thread(_notify, url, title, text, seconds)


async def _on_thread(fn: Any, *args: Any) -> bool:
    return bool(await asyncio.get_running_loop().run_in_executor(_threads, fn, *args))


def _is_known(url: str) -> bool:
    return _service(url) is not None


def _notify(url: str, title: str, text: str, seconds: float) -> bool:
    service = _service(url)
    if service is None:
        return False
    service.socket_connect_timeout = service.socket_read_timeout = seconds
    service.service_retry = 0  # Delta tries again itself
    return bool(service.notify(title=title, body=text))


def _service(url: str) -> Any:
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs addresses, which are secrets
    service = apprise.Apprise.instantiate(url)
    return None if service is None or _acts_here(service) else service


def _acts_here(service: Any) -> bool:
    """Writes to the server's own log or screen."""
    return type(service).__module__.rpartition(".")[2] in {"syslog", "dbus", "glib", "gnome", "macosx", "windows"}
