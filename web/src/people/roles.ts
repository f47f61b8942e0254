import type { Schemas } from "../api.ts";

export type ProjectRole = Schemas["MemberRole"]["role"];
export type InstanceRole = NonNullable<Schemas["NewInstanceInvitation"]["role"]>;

export const PROJECT_ROLES: readonly ProjectRole[] = ["viewer", "editor", "admin"];
export const INSTANCE_ROLES: readonly InstanceRole[] = ["member", "admin", "owner"];
