// src/types.gen.ts from the server's own OpenAPI document, without a running server: a route that changes breaks the build.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const server = process.env.DELTA_SERVER ?? new URL("../../.venv/bin/delta-server", import.meta.url).pathname;
const target = new URL("../src/types.gen.ts", import.meta.url);
const described = JSON.parse(execFileSync(server, ["openapi"], { maxBuffer: 64 << 20 }).toString());
const text = `/* Made by tools/types.mjs. */\n${astToString(await openapiTS(described, { defaultNonNullable: false }))}`;
if (!existsSync(target) || readFileSync(target, "utf8") !== text) writeFileSync(target, text);
