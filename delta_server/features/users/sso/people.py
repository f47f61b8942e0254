"""Whom the identity provider's word signs in, and as what.

A person is the issuer's subject and nothing else: an address may be given to somebody else, and another provider, or a
user of it who typed it in, may name anybody's. So an address never leads to a user who is there already.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from delta_server.config.sign_in import Oidc
from delta_server.core import emails, ids, names
from delta_server.core.errors import Conflict, Forbidden, Invalid, Unauthorized
from delta_server.features.accounts import service as accounts
from delta_server.features.users import joining, service, trail
from delta_server.features.users import store as users
from delta_server.features.users.sso import store
from delta_server.features.users.store import User
from delta_server.storage.database import Tx


class Person(msgspec.Struct, frozen=True):
    """What the provider says of who signed in. `email` is None unless it says that the address is theirs."""

    issuer: str
    subject: str
    email: str | None
    name: str
    groups: frozenset[str]


def person(claims: Mapping[str, Any], options: Oidc) -> Person:
    """From claims whose signature is right; what is odd in them counts as absent."""
    return Person(
        options.issuer, claims["sub"], _email(claims, options), _name(claims), _groups(claims, options.groups_claim)
    )


def _email(claims: Mapping[str, Any], options: Oidc) -> str | None:
    said = claims.get("email_verified", options.trust_email)
    email = claims.get("email")
    is_theirs = said is True or said == "true"
    if not is_theirs or not isinstance(email, str) or not email.isprintable():
        return None
    try:
        return emails.check(email)
    except Invalid:
        return None


def _name(claims: Mapping[str, Any]) -> str:
    try:
        return names.check(str(claims.get("name") or ""))
    except Invalid:
        return ""


def _groups(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(group for group in listed if isinstance(group, str))


def role(person: Person, options: Oidc) -> str | None:
    """By the groups; None while groups do not matter. Raises Forbidden for who is in none that may sign in."""
    if not (options.owner_groups or options.admin_groups or options.member_groups):
        return None
    if person.groups & set(options.owner_groups):
        return "owner"
    if person.groups & set(options.admin_groups):
        return "admin"
    if options.member_groups and not person.groups & set(options.member_groups):
        raise Forbidden("you are in none of the groups that may sign in here")
    return "member"


def check_domain(person: Person, options: Oidc) -> None:
    """Raises Forbidden."""
    allowed = {domain.casefold().removeprefix("@") for domain in options.allowed_domains}
    if allowed and (person.email is None or person.email.rpartition("@")[2] not in allowed):
        raise Forbidden("your address is not in a domain that may sign in here, or the identity provider does not say")


def signed_in(tx: Tx, person: Person, options: Oidc) -> User:
    """Who it is here, with the role that the groups give. Raises Forbidden."""
    check_domain(person, options)
    wanted = role(person, options)
    user = _known(tx, person)
    if user is None:
        return _made(tx, person, options, wanted or "member")
    if wanted is None or wanted == user.role or (user.role == "owner" and not options.owner_groups):
        return user
    try:
        service.set_role(tx, user, wanted)
    except Conflict:  # the last owner stays one
        return user
    return msgspec.structs.replace(user, role=wanted)


def _known(tx: Tx, person: Person) -> User | None:
    found = store.user_of(tx, person.issuer, person.subject)
    return None if found is None else users.by_id(tx, accounts.default_account(tx), found)


def _made(tx: Tx, person: Person, options: Oidc, role: str) -> User:
    """Raises Forbidden."""
    if not users.any_user(tx):
        raise Forbidden("the first owner of this server is made by POST /v1/setup; then others can sign in so")
    if not options.auto_create:
        raise Forbidden(
            "you are not known here by this sign-in: ask an owner or an admin to be added, or, if you have a password"
            " here, sign in by it and link the two by POST /v1/auth/oidc/link"
        )
    if person.email is None:
        raise Forbidden("the identity provider does not say that your e-mail address is yours (email_verified)")
    if users.by_email(tx, person.email) is not None:
        raise Forbidden(
            "there is a user with your address already, who signs in otherwise: sign in so, and link the two by POST"
            " /v1/auth/oidc/link"
        )
    user = joining.make(tx, email=person.email, name=person.name, role=role, password=None)
    store.insert(tx, user.id, issuer=person.issuer, subject=person.subject)
    return user


def link(tx: Tx, person: Person, session: bytes) -> None:
    """The person is the session's user from now on. Raises Unauthorized where that is over, Conflict for who is
    somebody else here."""
    signed = users.signed_in(tx, session)
    user = None if signed is None else users.by_id(tx, signed.account, signed.user)
    if user is None:
        raise Unauthorized("the session that began this is over: sign in, and link again")
    linked = store.user_of(tx, person.issuer, person.subject)
    if linked == user.id:
        return
    if linked is not None:
        raise Conflict("whoever signed in at the identity provider is another user here")
    store.insert(tx, user.id, issuer=person.issuer, subject=person.subject)
    trail.record(tx, user, "identity.link", {"issuer": person.issuer}, by_self=True)


def unlink(tx: Tx, account: int, user: int, issuer: str) -> None:
    """Raises Conflict for who could not sign in any more."""
    found = users.by_id(tx, account, user)
    assert found is not None, "the caller's user is there"
    if found.password is None:
        raise Conflict("you have no password here: ask an owner or an admin for a link to set one first")
    if store.delete_of(tx, user, issuer=issuer):
        trail.record(tx, found, "identity.unlink", {"issuer": issuer, "user": ids.text(found.uid)})
