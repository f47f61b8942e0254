"""Where webhooks send to, and their secrets: in the vault (storage/vault.py), never shown."""

import asyncio

import msgspec

from delta_server.core.errors import Unavailable
from delta_server.core.sealing import Unreadable
from delta_server.services import Services
from delta_server.storage.vault import Vault


class Secret(msgspec.Struct, frozen=True):
    """`until_ms` None: it is the newest one."""

    text: str
    until_ms: int | None = None


class Target(msgspec.Struct, frozen=True):
    """The newest secret is first."""

    url: str
    headers: dict[str, str]
    secrets: tuple[Secret, ...]

    def valid_secrets(self, now_ms: int) -> list[str]:
        return [secret.text for secret in self.secrets if secret.until_ms is None or secret.until_ms > now_ms]

    def hidden(self) -> list[str]:
        """What no excerpt may have."""
        of_url = [self.url, self.url.partition("//")[2].partition("/")[2]]
        of_headers = [*self.headers.values(), *(part for value in self.headers.values() for part in value.split())]
        return [*of_url, *of_headers, *(secret.text for secret in self.secrets)]


def seal(vault: Vault, uid: bytes, target: Target) -> bytes:
    return vault.seal(msgspec.json.encode(target), bound_to=_whose(uid))


def unseal(vault: Vault, uid: bytes, sealed: bytes) -> Target | None:
    """None for what another server's key sealed, as in a backup that was restored without its delta.key."""
    try:
        return msgspec.json.decode(vault.unseal(sealed, bound_to=_whose(uid)), type=Target)
    except Unreadable:
        return None


async def prepare(svc: Services) -> Vault:
    """The vault, which has read its key and imported its library on a thread. Raises Unavailable."""
    vault = svc.vault
    ready = svc.state(_Ready)
    if not ready.done:
        await asyncio.to_thread(seal, vault, b"", Target("", {}, ()))
        ready.done = True
    return vault


class _Ready:
    done = False


def _whose(uid: bytes) -> str:
    return f"target of webhook {uid.hex()}"


def unreadable() -> Unavailable:
    return Unavailable(
        "the webhook's address and secrets were sealed with another delta.key: put that file back, or set url anew"
    )
