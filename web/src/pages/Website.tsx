import { get, put, type Schemas } from "../api.ts";
import { ConnectHead } from "../connect/Head.tsx";
import { WebsiteKey } from "../connect/Website.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Form, type FormState, Submit, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { Part } from "../settings/Frame.tsx";
import { useLoad } from "../state/load.ts";
import { at, href } from "../state/location.ts";
import { may } from "../state/may.ts";
import { toast } from "../state/toasts.ts";
import "../settings/settings.css";
import "../connect/connect.css";

type Fields = Required<Schemas["VisitFields"]>;
type Name = keyof Fields;

/** An answer has all of them. */
interface Settings {
  origins: string[];
  fields: Fields;
}

const FIELDS: Readonly<Record<Name, readonly [name: string, hint: string]>> = {
  path: ["Path", "/pricing, without its query"],
  referrer: ["Referrer", "The host that led to the page, no more of its address"],
  utm: ["Campaign", "utm_source, utm_medium, utm_campaign, utm_term, utm_content"],
  country: ["Country", "By the browser’s time zone and language; no address is looked up"],
  device: ["Device", "desktop, mobile or tablet"],
  browser: ["Browser", "Its family, without a version"],
  screen: ["Screen", "One of four classes of width"],
  engagement: ["Time in view", "How long the page was to be seen"],
  visitor: ["Visitors", "An id made of address and browser with a secret that is deleted at the end of the day (UTC)"],
};

/** Visits of a website: the lines that count them, and what is kept of them. */
export default function Website({ params }: PageProps) {
  const project = params.project as string;
  const { data, error, busy, again } = useLoad(
    (signal) => get("/v1/visits/settings", { in: project, signal }),
    [project],
  );
  return (
    <main id="main" class="wrap settings">
      <ConnectHead project={project} />
      <Part
        title="Count visits"
        lead={
          <>
            Without cookies and without storage. Whoever sends Do Not Track or Global Privacy Control is not counted.
            What comes is in <a href={href(at("p", project, "events"))}>the events</a>, bots marked as such.
          </>
        }
      >
        <WebsiteKey project={project} />
      </Part>
      {error ? <Failure tried="Asking for the settings" error={error} retry={again} /> : null}
      {busy && !data ? <Loading /> : null}
      {data ? <Kept key={JSON.stringify(data)} project={project} settings={data as Settings} again={again} /> : null}
    </main>
  );
}

function Kept({ project, settings, again }: { project: string; settings: Settings; again: () => void }) {
  const canChange = may("events:admin");
  const send = async (data: FormData) => {
    const fields = Object.fromEntries(Object.keys(FIELDS).map((name) => [name, data.getAll("fields").includes(name)]));
    const origins = text(data, "origins").split(/\s+/).filter(Boolean);
    await put("/v1/visits/settings", {
      in: project,
      body: { origins, fields } as unknown as Schemas["NewVisitSettings"],
    });
    again();
    toast("What is kept of visits is saved");
  };
  return (
    <Part title="What is kept" lead="Of visits from now on. Addresses of visitors are never kept.">
      <Form send={send} tried="Saving">
        {(form) => (
          <>
            <Origins form={form} settings={settings} canChange={canChange} />
            <fieldset class="field choices" disabled={!canChange}>
              <legend>Fields</legend>
              {(Object.keys(FIELDS) as Name[]).map((name) => (
                <label key={name}>
                  <input type="checkbox" name="fields" value={name} defaultChecked={settings.fields[name]} />
                  <span>
                    {FIELDS[name][0]}
                    <small>{FIELDS[name][1]}</small>
                  </span>
                </label>
              ))}
            </fieldset>
            {canChange ? (
              <div class="acts">
                <Submit form={form}>Save</Submit>
              </div>
            ) : (
              <p class="quiet">An admin of the project changes this.</p>
            )}
          </>
        )}
      </Form>
    </Part>
  );
}

function Origins({ form, settings, canChange }: { form: FormState; settings: Settings; canChange: boolean }) {
  const error = form.of("origins") ?? form.of("origins[0]");
  return (
    <div class="field">
      <label for="visit-origins">Sites that may send, one a line; * is any</label>
      <textarea
        id="visit-origins"
        name="origins"
        rows={3}
        spellcheck={false}
        disabled={!canChange}
        aria-invalid={error ? "true" : undefined}
        aria-describedby="visit-origins-note"
        defaultValue={settings.origins.join("\n")}
      />
      <small id="visit-origins-note" class={error ? "wrong" : undefined}>
        {error ?? "As browsers write them: https://shop.example"}
      </small>
    </div>
  );
}
