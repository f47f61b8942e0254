import { expect, test } from "vitest";
import { asked, draftOf, everyText, judged, newDraft, type Polling, pasted, settings, shareable } from "./draft.ts";

test.each([
  ["https://a.example/data.json", "https://a.example/data.json"],
  ["https://a.example/?q=1&page=2", "https://a.example/?q=1&page=2"],
  ["https://a.example/?api_key=k1", null],
  ["https://a.example/?my.token=k1", null],
  ["https://ada:secret@a.example/", null],
  ["https://ada:secret@[", null],
  ["not an address?key=1", null],
  ["", null],
])("the page's address may hold %s as %s", (url, shown) => expect(shareable(url)).toBe(shown));

test.each([
  [" https://a.example/x ", "https://a.example/x", null],
  ["a.example/x", "https://a.example/x", null],
  ["https://a.example/x#part", "https://a.example/x", null],
  ["https://a.example/ü", "https://a.example/%C3%BC", null],
  ["https://ada:p%40ss@a.example/", "https://a.example/", { type: "basic", username: "ada", password: "p@ss" }],
  ["ftp://a.example/", "ftp://a.example/", null],
  ["", "", null],
])("%s is pasted", (text, url, auth) => expect(pasted(text)).toEqual({ url, auth }));

test("what is sent says all, so that a change leaves nothing of before", () => {
  const draft = newDraft("https://a.example/", null, "5m", "UTC");
  expect(settings(draft)).toEqual({
    url: "https://a.example/",
    method: "GET",
    headers: {},
    body: null,
    auth: { type: "none" },
    timeout: "30s",
    read_as: null,
    paging: null,
    transform: null,
    expect: null,
    interval: "5m",
    cron: null,
    timezone: "UTC",
    retries: 2,
  });
  const source = {
    ...draft.source,
    method: "POST" as const,
    body: '{"q": 1}',
    headers: [{ name: " X-A ", value: "b" }],
  };
  expect(asked(source)).toMatchObject({ method: "POST", body: { q: 1 }, headers: { "X-A": "b" } });
  expect(asked({ ...source, body: "q=1" }).body).toBe("q=1");
  const strict = { ...draft, status: "200, 204", contentType: "text/*", condition: "a > `1`", transform: "" };
  expect(judged(strict)).toMatchObject({
    transform: null,
    expect: { status: [200, 204], content_type: "text/*", expression: "a > `1`" },
  });
  expect(settings({ ...draft, every: "cron", cron: "0 6 * * *" })).toMatchObject({ interval: null, cron: "0 6 * * *" });
});

test("of an endpoint's settings the same comes back", () => {
  const polling = {
    url: "https://a.example/?token=***",
    method: "POST",
    headers: { "X-Key": "***" },
    body: { a: 1 },
    auth: { type: "bearer", token: "***" },
    interval: null,
    cron: "0 6 * * *",
    timezone: "Europe/Berlin",
    timeout: "10s",
    retries: 1,
    transform: "items",
    expect: { status: [200] },
    read_as: "json",
    paging: null,
    enabled: true,
  } as unknown as Polling;
  const { enabled: _, ...rest } = polling;
  expect(settings(draftOf(polling))).toEqual(rest);
});

test.each([
  ["5m", "5 min"],
  ["90s", "90 s"],
  ["1d", "1 d"],
  ["odd", "odd"],
])("%s reads %s", (interval, text) => expect(everyText(interval)).toBe(text));
