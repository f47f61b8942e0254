import { useId } from "preact/hooks";
import { get } from "../api.ts";
import { useLoad } from "../state/load.ts";
import type { FormState } from "./Form.tsx";

interface EndpointFieldProps {
  project: string;
  form: FormState;
  name: string;
  hint?: string;
  required?: boolean;
  label?: string;
  value?: string;
  onInput?: (name: string) => void;
}

/** An input for an endpoint's name that offers those there are; another one may be typed. */
export function EndpointField({ project, form, name, hint, required, label, value, onInput }: EndpointFieldProps) {
  const id = useId();
  const { data } = useLoad(
    (signal) => get("/v1/endpoints", { in: project, query: { limit: 1000 }, signal }),
    [project],
  );
  const error = form.of(name);
  const note = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label ?? "Endpoint"}</label>
      <input
        id={id}
        name={name}
        list={`${id}-names`}
        required={required}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        defaultValue={value}
        onInput={(event) => onInput?.(event.currentTarget.value)}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={note ? `${id}-note` : undefined}
      />
      <datalist id={`${id}-names`}>
        {data?.data.map((each) => (
          <option key={each.id} value={each.name} />
        ))}
      </datalist>
      {note ? (
        <small id={`${id}-note`} class={error ? "wrong" : undefined}>
          {note}
        </small>
      ) : null}
    </div>
  );
}
