"""The second factor: codes of an authenticator app, each good once, and recovery codes.

POST /v1/auth/totp           a secret, which counts for nothing yet
POST /v1/auth/totp/confirm   a code of it: from now on logins want one, and recovery codes are shown this once
POST /v1/auth/login          answers `mfa_required` with a token for some minutes
POST /v1/auth/login/totp     that token and a code begin the session
"""

import os
from collections.abc import Callable

from delta_server.core import one_time_codes as codes
from delta_server.core.errors import Conflict, DeltaError, Invalid, RateLimited, Unauthorized
from delta_server.core.sealing import Unreadable
from delta_server.features.accounts import service as accounts
from delta_server.features.users import password_checks, sessions, store, tokens, trail
from delta_server.features.users.failures import Failures
from delta_server.features.users.schemas import CodeWanted, Enrolment, RecoveryCodes, Tokens
from delta_server.features.users.sessions import Client
from delta_server.features.users.store import SecondFactor, User
from delta_server.features.users.tokens import Signer, digest
from delta_server.services import Services
from delta_server.storage.database import Tx

LOGIN_MS = 5 * 60_000
"""How long the code may come after the password."""
_WRONG = "the code is wrong, was used before or has expired"
_OLD = "the time for the code is over, or the password was changed: sign in again by POST /v1/auth/login"


def is_on(tx: Tx, user: int) -> bool:
    factor = store.second_factor(tx, user)
    return factor is not None and factor.confirmed_at is not None


async def enrol(svc: Services, user: User, password: str) -> Enrolment:
    """A new secret in the place of one that was never confirmed. Raises Invalid for the password, Conflict when there
    is a second factor, RateLimited."""
    await password_checks.require(svc, user, password, field="password")
    await tokens.prepare(svc)
    secret = os.urandom(codes.SECRET_BYTES)
    sealed = svc.vault.seal(secret, bound_to=_bound_to(user))

    def write(tx: Tx) -> None:
        if is_on(tx, user.id):
            raise Conflict("there is a second factor already: POST /v1/auth/totp/disable ends it")
        store.set_second_factor(tx, user.id, sealed)

    await svc.db.write(write)
    return Enrolment(codes.secret_text(secret), codes.uri(secret, user.email))


async def confirm(svc: Services, user: User, code: str) -> RecoveryCodes:
    """From now on logins want a code. Raises Invalid for a wrong one, Conflict where there is nothing to confirm,
    RateLimited."""
    counted = (_counted(user),)
    password_checks.check_failures(svc, counted)
    factor = svc.db.peek(store.second_factor, user.id)
    if factor is None or factor.confirmed_at is not None:
        raise Conflict("there is nothing to confirm: POST /v1/auth/totp gives a secret")
    step = _step(svc, user, factor, code)
    if step is None:
        password_checks.fail(svc, counted)
        raise Invalid(_WRONG, field="code")
    fresh = _new_recovery_codes()

    def write(tx: Tx) -> None:
        if store.second_factor(tx, user.id) != factor:
            raise Conflict("the second factor was changed at the same time: begin again by POST /v1/auth/totp")
        store.confirm_second_factor(tx, user.id, step=step)
        _replace_recovery_codes(tx, user, fresh)
        trail.record(tx, user, "second_factor.enable")

    await svc.db.write(write)
    return RecoveryCodes(fresh)


async def renew_recovery_codes(svc: Services, user: User, password: str, code: str) -> RecoveryCodes:
    """The old ones are worth nothing any more. Raises Invalid, RateLimited."""
    await password_checks.require(svc, user, password, field="password")
    claim = _proof(svc, user, code, (_counted(user),), wrong=Invalid(_WRONG, field="code"))
    fresh = _new_recovery_codes()

    def write(tx: Tx) -> None:
        claim(tx)
        _replace_recovery_codes(tx, user, fresh)
        trail.record(tx, user, "second_factor.renew_codes")

    await svc.db.write(write)
    return RecoveryCodes(fresh)


async def disable(svc: Services, user: User, password: str, code: str) -> None:
    """Raises Invalid for the password or the code, RateLimited."""
    await password_checks.require(svc, user, password, field="password")
    claim = _proof(svc, user, code, (_counted(user),), wrong=Invalid(_WRONG, field="code"))

    def write(tx: Tx) -> None:
        claim(tx)
        remove(tx, user)

    await svc.db.write(write)


def remove(tx: Tx, user: User) -> bool:
    """Whether there was one."""
    removed = store.delete_second_factor(tx, user.id) > 0
    if removed:
        trail.record(tx, user, "second_factor.disable")
    return removed


def wanted(svc: Services, user: User) -> CodeWanted | None:
    """What a right password is answered with; None where it is enough."""
    if not svc.db.peek(is_on, user.id):
        return None
    token = tokens.for_code(Signer.of(svc).key, user, expires_at=svc.clock.now_ms() + LOGIN_MS)
    return CodeWanted(token, LOGIN_MS // 1000)


def by_password(tx: Tx, user: User, *, changed: DeltaError) -> User:
    """The user now: what the password was compared for may have changed meanwhile. Raises `changed`, Unauthorized."""
    now = store.unchanged(tx, user)
    if now is None:
        raise changed
    if is_on(tx, user.id):
        raise Unauthorized("a second factor was added at the same time: sign in again")
    return now


async def login(svc: Services, token: str, code: str, client: Client) -> Tokens:
    """The second half of a login. Raises Unauthorized, RateLimited after many wrong codes of the user or from the
    address."""
    user = tokens.user_of(Signer.of(svc).key, token, lambda uid: svc.db.peek(_find, uid), now_ms=svc.clock.now_ms())
    if user is None:
        raise Unauthorized(_OLD)
    try:
        claim = _proof(svc, user, code, (_counted(user), f"address {client.address}"), wrong=Unauthorized(_WRONG))
    except (Unauthorized, RateLimited):
        await trail.note_failure(svc, "login", user, user.email)
        raise

    def signed_in(tx: Tx) -> User:
        now = store.unchanged(tx, user)
        if now is None:
            raise Unauthorized(_OLD)
        claim(tx)
        return now

    return await sessions.begin(svc, signed_in, client)


def _find(tx: Tx, uid: bytes) -> User | None:
    account = accounts.find_default_account(tx)
    return None if account is None else store.by_uid(tx, account, uid)


def _proof(
    svc: Services, user: User, code: str, counted: tuple[str, ...], *, wrong: Invalid | Unauthorized
) -> Callable[[Tx], None]:
    """What uses the code up, in the transaction of what it proves. Raises `wrong`, here or there, and RateLimited.

    Nothing waits between the count of failures and this one's: many guesses at once are counted one by one."""
    password_checks.check_failures(svc, counted)
    factor = svc.db.peek(store.second_factor, user.id)
    if factor is None or factor.confirmed_at is None:
        raise Conflict("there is no second factor: sign in by POST /v1/auth/login")
    hash = digest(codes.normal_recovery(code))
    step = _step(svc, user, factor, code)
    if step is None and not svc.db.peek(store.has_recovery_code, user.id, hash):
        password_checks.fail(svc, counted)
        raise wrong
    svc.state(Failures).forget(counted[0])

    def claim(tx: Tx) -> None:
        used = store.use_recovery_code(tx, user.id, hash) if step is None else store.use_step(tx, user.id, step)
        if not used:
            raise wrong

    return claim


def _step(svc: Services, user: User, factor: SecondFactor, code: str) -> int | None:
    """None, too, for a secret that another `delta.key` sealed: recovery codes work without."""
    try:
        secret = svc.vault.unseal(factor.secret, bound_to=_bound_to(user))
    except Unreadable:
        return None
    return codes.matching_step(secret, code, svc.clock.now_ms(), after=factor.last_step)


def _bound_to(user: User) -> str:
    return f"totp of user {user.id}"


def _counted(user: User) -> str:
    """Not the name that passwords are counted by: a right password makes no more guesses of codes free."""
    return f"code {user.email}"


def _new_recovery_codes() -> list[str]:
    return [codes.recovery_code(os.urandom(codes.RECOVERY_BYTES)) for _ in range(codes.RECOVERY_CODES)]


def _replace_recovery_codes(tx: Tx, user: User, fresh: list[str]) -> None:
    store.replace_recovery_codes(tx, user.id, [digest(codes.normal_recovery(code)) for code in fresh])
