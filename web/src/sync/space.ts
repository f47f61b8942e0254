/** Whose records a page of device sync shows, as its address says: the reader's own without a word of it. */

export type Space = { kind: "own" } | { kind: "project" } | { kind: "person"; owner: string };

export const OWN: Space = { kind: "own" };

export function spaceOf(asked: URLSearchParams): Space {
  const owner = asked.get("person");
  if (owner) return { kind: "person", owner };
  return asked.get("space") === "project" ? { kind: "project" } : OWN;
}

/** How a request names it. */
export function headersOf(space: Space): Record<string, string> {
  if (space.kind === "person") return { "x-sync-user": space.owner };
  return space.kind === "project" ? { "x-sync-space": "project" } : {};
}

/** What stands in an address. */
export function asQuery(space: Space): Record<string, string | null> {
  return {
    person: space.kind === "person" ? space.owner : null,
    space: space.kind === "project" ? "project" : null,
  };
}

/** Of a space as the API lists it: the project's own has no owner. */
export function spaceBy(owner: string, me: string | undefined): Space {
  if (owner === "") return { kind: "project" };
  return owner === me ? OWN : { kind: "person", owner };
}
