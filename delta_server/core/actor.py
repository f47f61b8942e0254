"""For whom something is done, as the audit log names them."""

import msgspec


class Actor(msgspec.Struct, frozen=True):
    """`name` is `user ID`, `key ID` or one of the constants below; `address` is the client's, `request_id` the
    request's, both empty where there is none."""

    name: str
    address: str = ""
    request_id: str = ""

    def named(self, name: str) -> "Actor":
        return Actor(name, self.address, self.request_id)


NOBODY = "nobody"
"""Has shown no credential yet, or none that is known."""
SERVER = Actor("server")
"""Does what is due by itself."""
COMMAND_LINE = Actor("command line")
