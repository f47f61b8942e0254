/** The drawings of the interface: 16 px, in the colour of the text beside them. */
const PATHS = {
  down: "m4.5 6.5 3.5 3.5 3.5-3.5",
  right: "m6.5 4.5 3.5 3.5-3.5 3.5",
  left: "M9.5 4.5 6 8l3.5 3.5",
  first: "M11 4.5 7.5 8l3.5 3.5M4.5 4.5v7",
  last: "M5 4.5 8.5 8 5 11.5M11.5 4.5v7",
  play: "!M5.5 3.8v8.4L12 8z",
  pause: "M5.8 4v8M10.2 4v8",
  search: "M11.2 7a4.2 4.2 0 1 1-8.4 0 4.2 4.2 0 0 1 8.4 0zM10.2 10.2l3.3 3.3",
  theme:
    "M8 3V1.5M8 14.5V13M3 8H1.5M14.5 8H13M4.5 4.5l-1-1M12.5 12.5l-1-1M11.5 4.5l1-1M3.5 12.5l1-1M10.6 8a2.6 2.6 0 1 1-5.200 0 2.600 2.600 0 0 1 5.200 0z",
  compare: "M8 2v12M3 5h2.5M3 8h2.5M3 11h2.5M10.5 5H13M10.5 8H13M10.5 11H13",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.5h10",
  more: "!M4.4 8a.9.9 0 1 1-1.8 0 .9.9 0 0 1 1.8 0zM8.900 8a.9.9 0 1 1-1.800 0 .9.9 0 0 1 1.800 0zM13.400 8a.9.9 0 1 1-1.800 0 .9.9 0 0 1 1.800 0z",
  copy: "M7 5.5h4.500a1.500 1.500 0 0 1 1.500 1.500v4.500a1.500 1.500 0 0 1-1.500 1.500H7a1.500 1.500 0 0 1-1.500-1.500V7A1.500 1.500 0 0 1 7 5.500zM10.500 3.500V3A1 1 0 0 0 9.500 2H4a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h.5",
  close: "m4.5 4.5 7 7M11.5 4.5l-7 7",
  chart: "M2.5 13.5h11M4 11V8M7 11V4.5M10 11V6.5M13 11V3",
  ignore: "M2.5 8h11M13.500 8a5.500 5.500 0 1 1-11 0 5.500 5.500 0 0 1 11 0z",
  swap: "M3 6h9.5M10 3.5 12.5 6 10 8.5M13 10H3.5M6 7.5 3.5 10 6 12.5",
  key: "M7.500 8a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0zM7.500 8h6M11.500 8v2.200",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.6h-2.6",
  add: "M8 3.500v9M3.500 8h9",
  go: "M3 8h9M8.500 4.500 12 8l-3.500 3.500",
  check: "m3.500 8.500 3 3 6-7",
  bell: "M4 11.2h8c-.9-.9-1.2-1.7-1.2-3.900a2.800 2.800 0 0 0-5.600 0c0 2.200-.3 3-1.200 3.900zM7 13.300h2",
  menu: "M3 4.500h10M3 8h10M3 11.500h10",
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing without a name of its own: what it stands in says what it does. */
export function Icon({ name }: { name: IconName }) {
  const path: string = PATHS[name];
  const solid = path.startsWith("!");
  return (
    <svg class="ic" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      <path class={solid ? "solid" : undefined} d={solid ? path.slice(1) : path} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
      <path class="l1" d="M11 2.5 20 19H2z" />
      <path class="l2" d="M11 2.5V19" />
      <circle class="l3" cx="11" cy="13.2" r="2.6" />
    </svg>
  );
}
