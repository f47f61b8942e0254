import { help, KEYS } from "../state/keys.ts";
import { Dialog } from "./Dialog.tsx";

const GROUPS = [
  { where: "everywhere", title: "Everywhere" },
  { where: "go to", title: "Go to" },
  { where: "document", title: "In a document" },
  { where: "compare", title: "In a comparison" },
  { where: "events", title: "In the explorer" },
] as const;

/** `?`: every key there is, out of the one table of them. */
export function KeyHelp() {
  const close = () => {
    help.value = false;
  };
  return (
    <Dialog title="Keys" close={close}>
      <div class="key-groups">
        {GROUPS.map((group) => (
          <section key={group.where}>
            <h3>{group.title}</h3>
            <dl>
              {KEYS.filter((key) => key.where === group.where).map((key) => (
                <div key={key.keys}>
                  <dt>
                    {key.keys.split(" ").map((each) => (
                      <kbd key={each}>{each}</kbd>
                    ))}
                  </dt>
                  <dd>{key.does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <button class="btn" type="button" onClick={close}>
        Close
      </button>
    </Dialog>
  );
}
