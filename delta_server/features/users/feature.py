"""People who sign in, and their sessions."""

from delta_server.features.users import api, commands, forgotten, schemas, tasks
from delta_server.features.users.sso import api as sso_api
from delta_server.features.users.sso import schemas as sso_schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import PERSON, PERSON_WITH_PASSWORD, SIGN_IN
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="users",
    routes=[*api.ROUTES, *sso_api.ROUTES],
    fields=schemas.FIELDS | sso_schemas.FIELDS,
    guards={
        ("GET", "/v1/setup"): SIGN_IN,
        ("POST", "/v1/setup"): SIGN_IN,
        ("POST", "/v1/auth/login"): SIGN_IN,
        ("POST", "/v1/auth/login/totp"): SIGN_IN,
        ("GET", "/v1/auth/methods"): SIGN_IN,
        ("POST", "/v1/auth/login/header"): SIGN_IN,
        ("GET", "/v1/auth/oidc/login"): SIGN_IN,
        ("GET", "/v1/auth/oidc/callback"): SIGN_IN,
        ("POST", "/v1/auth/oidc/link"): PERSON_WITH_PASSWORD,
        ("DELETE", "/v1/auth/oidc/link"): PERSON,
        ("POST", "/v1/auth/refresh"): SIGN_IN,
        ("POST", "/v1/auth/forgot-password"): SIGN_IN,
        ("POST", "/v1/auth/reset-password"): SIGN_IN,
        ("POST", "/v1/auth/logout"): SIGN_IN,  # by the access token or the cookie: the handler looks
        ("POST", "/v1/auth/change-password"): PERSON_WITH_PASSWORD,
        ("POST", "/v1/auth/totp"): PERSON_WITH_PASSWORD,
        ("POST", "/v1/auth/totp/confirm"): PERSON_WITH_PASSWORD,
        ("POST", "/v1/auth/totp/recovery-codes"): PERSON_WITH_PASSWORD,
        ("POST", "/v1/auth/totp/disable"): PERSON_WITH_PASSWORD,
        ("GET", "/v1/auth/me"): PERSON,
        ("GET", "/v1/auth/sessions"): PERSON,
        ("DELETE", "/v1/auth/sessions"): PERSON,
        ("DELETE", "/v1/auth/sessions/{}"): PERSON,
    },
    path_parameters={"session_id": "The session's id"},
    tables=["user", "session", "refresh_token", "login_link", "second_factor", "recovery_code", "identity"],
    commands=commands.COMMANDS,
    jobs=[forgotten.JOB],
    periodic=[Periodic("delete ended sessions", tasks.sweep, every_s=3600)],
    at_start=tasks.prepare,
)
