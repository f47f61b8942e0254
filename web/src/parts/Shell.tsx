import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { help, listenToKeys, searching } from "../state/keys.ts";
import { href } from "../state/location.ts";
import { project } from "../state/project.ts";
import { switchTheme } from "../state/theme.ts";
import { AccountMenu } from "./AccountMenu.tsx";
import { BellPlace } from "./BellPlace.tsx";
import { Icon, Logo } from "./Icon.tsx";
import { KeyHelp } from "./KeyHelp.tsx";
import { Live, Offline } from "./Live.tsx";
import { ProjectMenu, Sections } from "./ProjectMenu.tsx";
import { Search } from "./Search.tsx";

/** The bar above every page, the page under it, and what may lie above both. */
export function Shell({ children }: { children: ComponentChildren }) {
  useEffect(listenToKeys, []);
  return (
    <>
      <header class="top">
        <a class="brand" href={href("/")} aria-label="Delta: to the overview">
          <Logo />
          <span>Delta</span>
        </a>
        <ProjectMenu />
        <Sections />
        {project.value === undefined ? (
          <span class="grow" />
        ) : (
          <button
            class="find"
            type="button"
            aria-label="Find an endpoint, record or field /"
            onClick={() => (searching.value = true)}
          >
            <Icon name="search" />
            <span>Find an endpoint, record or field</span>
            <kbd>/</kbd>
          </button>
        )}
        <Live />
        {project.value === undefined ? null : <BellPlace project={project.value} />}
        <button class="icon" type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          <Icon name="theme" />
        </button>
        <AccountMenu />
      </header>
      <Offline />
      {children}
      {searching.value && project.value !== undefined ? <Search project={project.value} /> : null}
      {help.value ? <KeyHelp /> : null}
    </>
  );
}
