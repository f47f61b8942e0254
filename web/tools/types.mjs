// src/types.gen.ts from the server's own OpenAPI document, without a running server: a route that changes breaks the build.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const file = process.env.DELTA_OPENAPI; // the document itself, where no Python is: where the image is built
const server = process.env.DELTA_SERVER ?? new URL("../../.venv/bin/delta-server", import.meta.url).pathname;
const target = new URL("../src/types.gen.ts", import.meta.url);
const said = file ? readFileSync(file) : execFileSync(server, ["openapi"], { maxBuffer: 64 << 20 });
const described = JSON.parse(said.toString());
// Types are gone when the page runs: lists that it offers whole are taken from the document as values.
const { parameters } = described.paths["/v1/audit"].get;
const actions = parameters.find(({ name }) => name === "action").schema.enum.toSorted();
const text = `/* Made by tools/types.mjs. */
${astToString(await openapiTS(described, { defaultNonNullable: false }))}
export const ACTIONS = ${JSON.stringify(actions)} as const;
`;
if (!existsSync(target) || readFileSync(target, "utf8") !== text) writeFileSync(target, text);
