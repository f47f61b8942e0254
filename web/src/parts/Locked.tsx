import type { ComponentChildren } from "preact";
import type { Scope } from "../keys/scopes.ts";
import { may } from "../state/may.ts";

/** What only some may change. The others read it, and are told who may. */
export function Locked({ scope, by, children }: { scope: Scope; by: string; children: ComponentChildren }) {
  if (may(scope)) return <>{children}</>;
  return (
    <>
      <p class="quiet locked-note">You may read this. {by} can change it.</p>
      <fieldset class="locked" disabled>
        {children}
      </fieldset>
    </>
  );
}
