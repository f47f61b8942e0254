"""What options are measured in, and their bounds."""

from typing import Annotated

from msgspec import Meta

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

Port = Annotated[int, Meta(ge=0, le=65_535)]
Size = Annotated[int, Meta(ge=KIB, le=TIB)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Days = Annotated[int, Meta(ge=0, le=36_500)]
Secret = Annotated[str, Meta(extra={"secret": True})]
"""Never printed."""
WholeDays = Annotated[int, Meta(ge=1, le=3_650)]
HeaderName = Annotated[str, Meta(pattern="^([A-Za-z0-9-]{1,100})?$")]
"""As proxies set them; one with an underscore is another header, which many proxies drop."""
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
PerMinute = Annotated[int, Meta(ge=0, le=60_000_000)]
Level = Annotated[int, Meta(ge=1, le=19)]
