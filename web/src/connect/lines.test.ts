import { expect, test } from "vitest";
import { eventLines, LANGUAGES, type Language, snapshotLines, websiteLines } from "./lines.ts";

const PLACE = { base: "https://delta.example.com/under/", key: "dk_proj_abc", project: "it's $HOME" };
const names = Object.keys(LANGUAGES) as Language[];

test.each(names.filter((name) => name !== "cli"))("%s has the address and the key in place", (language) => {
  for (const lines of [snapshotLines(language, PLACE), eventLines(language, PLACE)]) {
    expect(lines).toContain("https://delta.example.com/under/v1/");
    expect(lines).toContain("Bearer dk_proj_abc");
  }
});

test("a website's lines have both too", () => {
  expect(websiteLines("script", PLACE)).toContain(
    'src="https://delta.example.com/under/script.js" data-key="dk_proj_abc"',
  );
  expect(websiteLines("pixel", PLACE)).toContain("https://delta.example.com/under/v1/pixel?writeKey=dk_proj_abc");
});

test("a project's name reaches the shell as it is", () => {
  expect(snapshotLines("cli", PLACE)).toContain("--project 'it'\\''s $HOME'");
  expect(snapshotLines("cli", { ...PLACE, project: "demo" })).toContain("--project demo ");
  expect(eventLines("cli", PLACE)).toBeNull();
});
