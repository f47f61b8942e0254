import { href } from "../state/location.ts";

export function NotFound({ what = "page" }: { what?: string }) {
  return (
    <main id="main" class="wrap empty">
      <h1>There is no such {what}</h1>
      <p>The address may be mistyped, or what it named is gone.</p>
      <a class="btn primary" href={href("/")}>
        To the overview
      </a>
    </main>
  );
}
