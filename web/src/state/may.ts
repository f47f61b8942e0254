// What the reader may do in the project of the address: what they may not is not offered to them.

import { effect, signal } from "@preact/signals";
import { get } from "../api.ts";
import type { Scope } from "../keys/scopes.ts";
import { project } from "./project.ts";
import { person } from "./session.ts";

const known = signal<{ project: string; scopes: ReadonlySet<string> } | null>(null);

/** Owners and admins of the instance may do everything, members what their role opens: nothing until that is known. */
export function may(scope: Scope): boolean {
  if (person.value === null || person.value.role !== "member") return true;
  return known.value?.project === project.value && (known.value?.scopes.has(scope) ?? false);
}

effect(() => {
  const [name, role] = [project.value, person.value?.role];
  if (name === undefined || role !== "member" || known.peek()?.project === name) return;
  get("/v1/projects/{project_id}", { path: { project_id: name } }).then(
    (answer) => {
      if (project.peek() === name) known.value = { project: name, scopes: new Set(answer.scopes) };
    },
    () => undefined, // the page itself asks too, and says what is wrong
  );
});
