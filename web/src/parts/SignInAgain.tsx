import { useEffect, useRef } from "preact/hooks";
import { person, signOut } from "../state/session.ts";
import { Login } from "./Login.tsx";

/** Above the dimmed page: the session ended. What was asked for meanwhile waits, and goes on afterwards. */
export function SignInAgain() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="sign-in-again" onCancel={(event) => event.preventDefault()}>
      <h2 id="sign-in-again">Your session has ended</h2>
      <p class="lead">Sign in to go on where you are.</p>
      <Login email={person.value?.email} done={() => undefined} />
      <button class="btn ghost" type="button" onClick={() => void signOut()}>
        Leave this page
      </button>
    </dialog>
  );
}
