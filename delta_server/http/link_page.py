"""/link: where links out of mails and messages lead (core/links.py). The token is behind `#`, which the browser keeps
to itself; the page asks for what is missing and sends it to the API. Its files have nothing of a request in them."""

from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.params import FromPath

from delta_server.core.errors import NotFound
from delta_server.core.links import PAGE
from delta_server.http.guards import PUBLIC, Guards

_HTML = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>Delta</title>
<link rel="stylesheet" href="link/page.css">
<main>
  <h1>Delta</h1>
  <p id="says">This page needs JavaScript.</p>
  <form id="form" hidden>
    <label id="name-row">Your name <input id="name" autocomplete="name" maxlength="200"></label>
    <label><span id="word">Password</span>
      <input id="password" type="password" required minlength="10" maxlength="256"></label>
    <button>Go on</button>
  </form>
  <p id="error" role="alert"></p>
</main>
<script src="link/page.js"></script>
</html>
"""
_SCRIPT = b"""const kinds = {
  invitation: { path: "v1/invitations/accept", word: "Password", fill: "new-password", name: true,
    says: "You are invited. Choose a password of at least ten characters, or give yours if you have an account here.",
    done: "Welcome: you can sign in now." },
  confirm: { path: "v1/auth/confirm-email", word: "Password", fill: "current-password",
    says: "Give the password that you chose, to confirm your address.", done: "Confirmed: you can sign in now." },
  reset: { path: "v1/auth/reset-password", word: "New password", fill: "new-password", field: "new_password",
    says: "Choose a new password of at least ten characters. It ends all sessions.",
    done: "Done: sign in with the new password." },
};
const [, wanted, token] = /^#(\\w+)=(\\w+)$/.exec(location.hash) || [];
const kind = Object.hasOwn(kinds, wanted || "") ? kinds[wanted] : null;
const at = (id) => document.getElementById(id);
history.replaceState(null, "", location.pathname);
at("says").textContent = kind ? kind.says : "This link is not complete: copy the whole of it.";
at("form").hidden = !kind;
if (kind) {
  at("word").textContent = kind.word;
  at("password").autocomplete = kind.fill;
  at("name-row").hidden = !kind.name;
}
at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("error").textContent = "";
  const body = { token, [kind.field || "password"]: at("password").value };
  if (kind.name) body.name = at("name").value.trim();
  try {
    const answer = await fetch(kind.path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), credentials: "omit",
    });
    if (answer.ok) {
      at("form").hidden = true;
      at("says").textContent = kind.done;
    } else {
      at("error").textContent = (await answer.json()).message;
    }
  } catch {
    at("error").textContent = "The server cannot be reached: try again.";
  }
});
"""
_STYLE = b"""body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 26rem; margin: 12vh auto; padding: 0 1rem; }
label { display: block; margin: 1rem 0; }
[hidden] { display: none; }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: 0.4rem; }
button { font: inherit; padding: 0.4rem 1.2rem; }
#error { color: #c33; }
"""
_FILES = {"page.js": ("text/javascript", _SCRIPT), "page.css": ("text/css", _STYLE)}


@get(PAGE, include_in_schema=False)
async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    if request.scope["raw_path"].endswith(b"/"):  # the page's URLs are relative, for servers behind a path
        return Response(b"", status_code=308, headers={"location": "../link"})
    return Response(_HTML, media_type=MediaType.HTML, headers={"cache-control": "no-store"})


@get("/link/{name:str}", include_in_schema=False)
async def file(name: FromPath[str]) -> Response[bytes]:
    found = _FILES.get(name)
    if found is None:
        raise NotFound("there is no such file")
    return Response(found[1], media_type=found[0])


ROUTES = [page, file]
GUARDS: Guards = {("GET", PAGE): PUBLIC, ("GET", "/link/{}"): PUBLIC}
