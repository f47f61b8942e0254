interface SegmentsProps<Name extends string> {
  label: string;
  /** What is chosen of, by name, as it is called. */
  options: Readonly<Record<Name, string>>;
  value: Name | null;
  choose: (name: Name) => void;
}

/** A few choices beside each other, of which one holds. Arrow keys go from one to the next. */
export function Segments<Name extends string>({ label, options, value, choose }: SegmentsProps<Name>) {
  const names = Object.keys(options) as Name[];
  const step = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = by === undefined || value === null ? undefined : names.at((names.indexOf(value) + by) % names.length);
    if (next === undefined) return;
    event.preventDefault();
    choose(next);
    const group = event.currentTarget as HTMLElement;
    (group.children[names.indexOf(next)] as HTMLElement).focus();
  };
  return (
    <div class="seg" role="radiogroup" aria-label={label} onKeyDown={step}>
      {names.map((name, i) => (
        // biome-ignore lint/a11y/useSemanticElements: buttons look alike in all browsers
        <button
          key={name}
          type="button"
          role="radio"
          aria-checked={value === name}
          tabIndex={value === name || (value === null && i === 0) ? 0 : -1}
          onClick={() => choose(name)}
        >
          {options[name]}
        </button>
      ))}
    </div>
  );
}
