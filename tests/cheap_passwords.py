"""A password takes 0.1 ms instead of 21, here and in the servers that tests start; tests/core/test_passwords.py sees to
what the server's own take."""

from argon2 import PasswordHasher

from delta_server.core import passwords

SERVERS_HASHER, SERVERS_NOBODYS = passwords._HASHER, passwords.NOBODYS


def hash_cheaply() -> None:
    """All of this process."""
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords.NOBODYS = passwords._HASHER.hash("", salt=bytes(passwords.SALT_BYTES))
