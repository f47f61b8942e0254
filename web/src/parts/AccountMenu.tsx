import { has } from "../routes.ts";
import { help } from "../state/keys.ts";
import { href } from "../state/location.ts";
import { person, signOut } from "../state/session.ts";
import { Menu, MenuButton, MenuLink } from "./Menu.tsx";

export function AccountMenu() {
  const who = person.value;
  if (!who) return null;
  const name = who.name || who.email;
  const runs = who.role !== "member";
  return (
    <Menu class="who" name={`${initials(name)}: account of ${name}`} button={initials(name)}>
      <p class="popup-head">
        <b>{name}</b>
        <small>{who.email}</small>
      </p>
      <MenuLink href={href("/account")}>Account, sessions, time zone</MenuLink>
      {runs && has("Users") ? <MenuLink href={href("/instance/users")}>Users</MenuLink> : null}
      {runs && has("Instance") ? <MenuLink href={href("/instance")}>Instance</MenuLink> : null}
      <hr />
      <MenuButton act={() => (help.value = true)}>Keys</MenuButton>
      <MenuLink href={href("/docs")}>API documentation</MenuLink>
      <hr />
      <MenuButton act={() => void signOut()}>Sign out</MenuButton>
    </Menu>
  );
}

/** Two letters that stand for a person: of a name, or of an address. */
export function initials(name: string): string {
  const words = name.split(/[\s@._-]+/).filter(Boolean);
  const [first, second] = words.map((word) => [...word][0] ?? "");
  return ((first ?? "?") + (second ?? "")).toUpperCase();
}
