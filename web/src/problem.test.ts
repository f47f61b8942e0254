import { describe, expect, it } from "vitest";
import { problemOf } from "./problem.ts";

const json = { "content-type": "application/problem+json", "x-request-id": "r-1" };

describe("problemOf", () => {
  it("tells what the server told", async () => {
    const told = {
      detail: "limit must be at most 1000",
      code: "VALIDATION_ERROR",
      errors: [{ field: "limit", message: "m" }],
    };
    const found = await problemOf(new Response(JSON.stringify(told), { status: 400, headers: json }));
    expect(found).toMatchObject({
      status: 400,
      code: told.code,
      message: told.detail,
      requestId: "r-1",
      fields: told.errors,
    });
  });
  it.each([
    ["a proxy's page", "<html>", { "content-type": "text/html" }],
    ["half a document", '{"detail": "cut', json],
    ["other JSON", "[1]", json],
    ["nothing", "", {}],
  ])("makes do with %s", async (_, body, headers) => {
    const found = await problemOf(new Response(body, { status: 502, headers: headers as Record<string, string> }));
    expect(found).toMatchObject({ status: 502, code: "HTTP_502", fields: [] });
    expect(found.message).toContain("502");
  });
  it.each([
    ["there is no such endpoint", ": GET /v1/endpoints lists them"],
    ["an admin can change it", " by PUT /v1/projects/{project_id}/members/{user_id}"],
  ])("leaves out which route would tell more: %s", async (says, hint) => {
    const told = { detail: says + hint, code: "NOT_FOUND" };
    const found = await problemOf(new Response(JSON.stringify(told), { status: 404, headers: json }));
    expect(found.message).toBe(says);
  });
  it("tells how long to wait", async () => {
    const found = await problemOf(new Response("", { status: 429, headers: { "retry-after": "7" } }));
    expect(found.retryAfterS).toBe(7);
  });
});
