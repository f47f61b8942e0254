"""How mail is sent."""

from typing import Literal

import msgspec

from delta_server.core.option_types import Port, Secret


class Smtp(msgspec.Struct, frozen=True):
    """Without `host` no mail is sent."""

    host: str = ""
    port: Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: Secret = ""
    password_file: str = ""
    from_address: str = ""
