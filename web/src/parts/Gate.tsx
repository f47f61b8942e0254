import type { ComponentChildren } from "preact";
import { href } from "../state/location.ts";
import { Logo } from "./Icon.tsx";

/** The frame of the pages before anybody is signed in. */
export function Gate({
  title,
  lead,
  children,
}: {
  title: string;
  lead?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <main id="main" class="gate">
      <a class="brand" href={href("/")}>
        <Logo />
        <span>Delta</span>
      </a>
      <h1>{title}</h1>
      {lead ? <p class="lead">{lead}</p> : null}
      {children}
    </main>
  );
}
