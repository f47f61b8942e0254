import { at, href } from "../state/location.ts";

/** What to do where no event has come. */
export function HowToSend({ project }: { project: string }) {
  return (
    <a class="btn" href={href(at("p", project, "connect"))}>
      How to send events
    </a>
  );
}
