import { useSignalEffect } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./parts/Failure.tsx";
import { Loading } from "./parts/Loading.tsx";
import { NotFound } from "./parts/NotFound.tsx";
import { Shell } from "./parts/Shell.tsx";
import { SignInAgain } from "./parts/SignInAgain.tsx";
import { Toasts } from "./parts/Toasts.tsx";
import { has, load, type PageProps, titleOf } from "./routes.ts";
import { announce, announced } from "./state/announce.ts";
import { address, focusMain, go, reveal } from "./state/location.ts";
import { matched } from "./state/project.ts";
import { session } from "./state/session.ts";

export function App() {
  const found = matched.value;
  useSignalEffect(sendToSignIn);
  const open = found?.route.open ?? false;
  return (
    <>
      <button class="skip" type="button" onClick={() => reveal("main")}>
        Skip to content
      </button>
      {open || (!found && session.value === "out") ? (
        <View />
      ) : session.value === "in" || session.value === "ended" ? (
        <Inside />
      ) : (
        <Loading />
      )}
      <div class="sr" role="status" aria-live="polite">
        {announced.value}
      </div>
    </>
  );
}

function Inside() {
  return (
    <>
      <Shell>
        <View />
      </Shell>
      <Toasts />
      {session.value === "ended" ? <SignInAgain /> : null}
    </>
  );
}

/** Who opens an address without a session signs in first, and comes back to it. */
function sendToSignIn(): void {
  if (session.value !== "out" || !matched.value || matched.value.route.open) return;
  const { path, search, hash } = address.value;
  const next = path === "/" ? "" : `?next=${encodeURIComponent(path + search + hash)}`;
  go(`/signin${next}`, { replace: true });
}

/** The page of the present address. The one before stays until its chunk is there. Nothing of a project, or of an endpoint, is kept for another. */
function View() {
  const found = matched.value;
  const [shown, setShown] = useState<{ name: string; Page: ComponentType<PageProps> } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const name = found?.route.page;
  useEffect(() => {
    let current = true;
    setError(null);
    if (name === undefined) return;
    load(name)?.then(
      (loaded) => current && setShown({ name, Page: loaded.default }),
      (caught) => current && setError(caught),
    );
    return () => {
      current = false;
    };
  }, [name, turn]);
  useTitle(found && shown?.name === name ? titleOf(found) : null);
  if (!found || !has(found.route.page)) return <NotFound />;
  if (error) return <Failure tried="Loading the page" error={error} retry={() => setTurn(turn + 1)} />;
  if (!shown || shown.name !== name) return <Loading />;
  const { project, endpoint } = found.params;
  return <shown.Page key={JSON.stringify([project, endpoint])} params={found.params} />;
}

/** Names the window after what it shows. Who went there hears it, and has the focus in it rather than on a link that is gone. */
function useTitle(title: string | null): void {
  const before = useRef<string | null>(null);
  useEffect(() => {
    if (title === null) return;
    document.title = `${title} · Delta`;
    if (before.current !== null && before.current !== title) {
      announce(title);
      const held = document.activeElement;
      if (held === null || held === document.body) focusMain();
    }
    before.current = title;
  }, [title]);
}
