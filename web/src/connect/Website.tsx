import { at, href } from "../state/location.ts";
import { CodeBlock, KeyMaker, useKey } from "./Lines.tsx";
import { KEY, websiteLines } from "./lines.ts";

const FOR_PAGES = { name: "A website", kind: "write", scopes: ["visits:write"] } as const;

/** The line that counts visits, before there is a key for it. */
export function WebsiteLine({ project }: { project: string }) {
  const text = websiteLines("script", { base: document.baseURI, key: KEY, project });
  return (
    <>
      <CodeBlock title="A website: its visits" text={text} />
      <p class="quiet">
        That takes <a href={href(at("p", project, "connect", "website"))}>a key which may stand in pages</a>: it sends
        visits and nothing else.
      </p>
    </>
  );
}

/** A key for pages, and the lines with it. */
export function WebsiteKey({ project }: { project: string }) {
  const made = useKey(project, FOR_PAGES as unknown as Parameters<typeof useKey>[1]);
  const place = { base: document.baseURI, key: made.key ?? KEY, project };
  return (
    <div class="website">
      <KeyMaker made={made} />
      <CodeBlock title="In the head of each page" text={websiteLines("script", place)} />
      <CodeBlock title="Or an image, where there are no scripts" text={websiteLines("pixel", place)} />
      <CodeBlock title="An event of your own, in the page’s scripts" text={'delta("signup", { plan: "pro" })'} />
    </div>
  );
}
