"""The mails that people are sent: plain text, in plain English. Addresses and names in them are as `emails.check` and
`names.check` leave them, without line breaks. What a stranger typed is in none of them."""

import msgspec

from delta_server.core import times

_LONGEST_NAME = 100


class Mail(msgspec.Struct, frozen=True):
    to: str
    subject: str
    text: str


def invitation(
    to: str, link: str, *, inviter: str | None, project: str | None, role: str, expires_at: int, server: str
) -> Mail:
    who = inviter or "The administrator"
    where = f'the project "{_short(project)}"' if project is not None else "this server"
    return Mail(
        to,
        f"An invitation to Delta at {server}",
        f"{who} invites you to {where} on the Delta server {server}, as {role}.\n\n"
        f"To accept, open this link before {_time(expires_at)}:\n\n{link}\n\n"
        "It is valid once. If you do not know what this is about, ignore this mail: nothing happens.\n",
    )


def confirmation(to: str, link: str, *, expires_at: int, server: str) -> Mail:
    return Mail(
        to,
        f"Confirm your address for Delta at {server}",
        f"Somebody, probably you, made an account with this address on the Delta server {server}.\n\n"
        f"To confirm it, open this link before {_time(expires_at)}, and give the password that was chosen:\n\n"
        f"{link}\n\n"
        "If it was not you, ignore this mail: without the confirmation there is no account.\n",
    )


def registered_again(to: str, *, server: str) -> Mail:
    return Mail(
        to,
        f"You have an account for Delta at {server}",
        f"Somebody, probably you, tried to make an account with this address on the Delta server {server}.\n\n"
        "You have one already, and nothing about it was changed. If you do not know the password any more, ask for a"
        " new one where you sign in.\n\n"
        "If it was not you, there is nothing to do: who tried was not shown that you have an account.\n",
    )


def reset(to: str, link: str, *, expires_at: int, server: str) -> Mail:
    return Mail(
        to,
        f"A new password for Delta at {server}",
        f"Somebody, probably you, asked for a new password for this address on the Delta server {server}.\n\n"
        f"To choose one, open this link before {_time(expires_at)}:\n\n{link}\n\n"
        "It is valid once, and ends all sessions. If it was not you, ignore this mail: the password stays as it is.\n",
    )


_OFF_BECAUSE = {
    "failing": "nothing has arrived there for five days",
    "gone": "its receiver answered that it is gone for good (410)",
    "rights": "who made it, or last changed it, may not have webhooks of the project any more",
}


def webhook_turned_off(to: str, *, name: str, project: str, because: str, page: str | None) -> Mail:
    at = f" there:\n\n{page}\n" if page else ", on the project's page Connect.\n"
    which = f'the webhook "{_short(name)}" of the project "{_short(project)}"'
    return Mail(
        to,
        f"The webhook {_short(name)} was turned off",
        f"Delta turned off {which}: {_OFF_BECAUSE[because]}.\n\n"
        "What waited for it is kept, and sent when it is turned on again; what happens until then is not kept.\n\n"
        f"When its receiver is there again, turn it on{at}",
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def _time(time_ms: int) -> str:
    return f"{times.format(time_ms)[:16].replace('T', ' ')} UTC"


def backup_failed(to: str, *, reason: str, at_ms: int, server: str) -> Mail:
    return Mail(
        to,
        f"A backup of Delta at {server} failed",
        f"The backup of the Delta server {server} that was due on {_time(at_ms)} was not taken:\n\n{reason}\n\n"
        "It is tried again every quarter of an hour, and this is the only mail until one has been taken. The page"
        " of the instance's backups says how they are.\n",
    )
