"""One request to a source, with its signing in, and what was wrong with it in words that name no address."""

from collections.abc import Mapping

from delta_server.core import times
from delta_server.core.polling import checks
from delta_server.core.polling.outcome import ErrorClass, PollFailed
from delta_server.core.polling.settings import Basic, Bearer, ByHeader, ClientCredentials, PollingSettings
from delta_server.egress.client import Answer, Bounds, Client, Reason, Request, RequestFailed
from delta_server.egress.steps import Steps
from delta_server.features.polls.access_tokens import AccessTokens
from delta_server.services import Services

SMALL_BYTES = 1 << 20
"""What an answer may be while many others are read as well; a larger one is asked for again, beside few."""

_UNAUTHORIZED = 401
_CLASSES: Mapping[Reason, ErrorClass] = {
    "address": "egress",
    "blocked": "egress",
    "dns": "dns",
    "connection": "connect",
    "tls": "tls",
    "timeout": "timeout",
    "protocol": "connect",
    "encoding": "decode",
    "too large": "too_large",
    "redirect": "status",
}
_DETAILS: Mapping[Reason, str] = {
    "address": "the source redirects to what is no address of http or https",
    "blocked": "the address is not public: the server's operator may open the network it is in by egress.allow_cidrs",
    "dns": "the name of the host is not known",
    "connection": "no connection: nobody listens there, or it was closed before there was an answer",
    "tls": "no secure connection: the certificate is not valid for this host, or nobody vouches for it",
    "timeout": "no whole answer in time: timeout may be longer",
    "protocol": "what came is not HTTP, or ended too early",
    "encoding": "the answer is compressed in a way that cannot be read, or ends too early",
    "too large": "the answer is larger than polling.document_bytes",
    "redirect": "the source redirects too often, or to an address without TLS",
}


class Fetcher:
    """Of one server."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._client = Client(svc.config.egress)
        self._tokens = AccessTokens(svc.clock, self._client)

    @classmethod
    def of(cls, svc: Services) -> "Fetcher":
        return svc.state(cls, lambda: cls(svc))

    async def fetch(
        self, settings: PollingSettings, conditions: Mapping[str, str], steps: Steps, *, most_bytes: int
    ) -> Answer:
        """Raises PollFailed."""
        seconds = times.parse_length(settings.timeout, field="timeout") / 1000
        bounds = Bounds(seconds=seconds, size_bytes=most_bytes, decoded_bytes=most_bytes)
        try:
            answer = await self._client.send(await self._request(settings, conditions), bounds, steps)
            if answer.status == _UNAUTHORIZED and isinstance(settings.auth, ClientCredentials):
                self._tokens.forget(settings.auth)  # the server may have ended it before its time
                answer = await self._client.send(await self._request(settings, conditions), bounds, steps)
        except RequestFailed as error:
            raise failed(error) from None
        return answer

    async def _request(self, settings: PollingSettings, conditions: Mapping[str, str]) -> Request:
        body = checks.encoded_body(settings)
        own = {"accept": "application/json, */*;q=0.5"}
        if body is not None and not isinstance(settings.body, str):
            own["content-type"] = "application/json"
        given = {name.lower() for name in settings.headers}
        headers = {name: value for name, value in own.items() if name not in given} | settings.headers
        headers |= {**conditions, **await self._signing_in(settings)}
        return Request(settings.method, settings.url, headers, body or b"")

    async def _signing_in(self, settings: PollingSettings) -> dict[str, str]:
        auth = settings.auth
        if isinstance(auth, Basic):
            return {"authorization": f"Basic {auth.pair}"}
        if isinstance(auth, Bearer):
            return {"authorization": f"Bearer {auth.token}"}
        if isinstance(auth, ByHeader):
            return {auth.name: auth.value}
        if isinstance(auth, ClientCredentials):
            return {"authorization": f"Bearer {await self._tokens.get(auth)}"}
        return {}


def failed(error: RequestFailed) -> PollFailed:
    return PollFailed(_CLASSES[error.reason], _DETAILS[error.reason])
