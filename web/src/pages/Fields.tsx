import "../style/ledger.css";
import "../style/lists.css";
import "../fields/fields.css";
import { useMemo } from "preact/hooks";
import { endpointOf } from "../compare/data.ts";
import { timeline } from "../document/requests.ts";
import { fieldPage, lately } from "../fields/data.ts";
import { covers, setTried, tried } from "../fields/ignoring.ts";
import { FieldTable, type Sort } from "../fields/Table.tsx";
import { Trial } from "../fields/Trial.tsx";
import { EndpointHead } from "../parts/EndpointHead.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import type { PageProps } from "../routes.ts";
import { useLoad } from "../state/load.ts";
import { address, go, query, setQuery } from "../state/location.ts";
import { usePages } from "../versions/usePages.ts";

/** Which fields change, how often, and what ignoring one would silence. */
export default function Fields({ params }: PageProps) {
  const place = useMemo(
    () => ({ project: params.project ?? "", endpoint: params.endpoint ?? "" }),
    [params.project, params.endpoint],
  );
  const asked = query.value;
  const sought = asked.get("q") ?? "";
  const trying = tried(asked);
  const own = useLoad((signal) => endpointOf(place, signal), [place]);
  const history = useLoad((signal) => timeline(place, signal), [place]);
  const found = usePages((cursor, signal) => fieldPage(place, sought, cursor, signal), [place, sought]);
  const sparks = useLoad((signal) => lately(place, signal), [place]);
  const ignored = own.data?.diff.ignore ?? [];
  const toggle = (path: string, rule: string | undefined) => {
    if (trying.includes(path)) tryRules(trying.filter((other) => other !== path));
    else if (rule === undefined) tryRules([...trying, path]);
  };
  return (
    <main id="main" class="wrap app fields-page">
      <EndpointHead project={place.project} endpoint={place.endpoint} section="fields" />
      <Trial
        place={place}
        ignored={ignored}
        trying={trying}
        history={history.data}
        saved={() => {
          tryRules([]);
          own.again();
          found.again();
        }}
      />
      <div class="doc">
        <div class="bar">
          <label class="filter wide">
            <Icon name="search" />
            <span class="sr">Find fields</span>
            <input
              type="search"
              placeholder="Find fields"
              value={sought}
              data-search
              onInput={(event) => setQuery({ q: event.currentTarget.value }, { replace: true })}
            />
          </label>
          <span class="grow" />
          {found.busy && <Loading label="Loading fields" />}
        </div>
        {found.error ? (
          <Failure tried="Loading the fields" error={found.error} retry={found.again} />
        ) : (
          <FieldTable
            place={place}
            fields={found.pages.flatMap((page) => page.fields)}
            done={!found.busy}
            sought={sought}
            sort={(asked.get("sort") as Sort | null) ?? "changes"}
            stateOf={(path) =>
              trying.some((rule) => covers(rule, path))
                ? "tried"
                : ignored.some((rule) => covers(rule, path))
                  ? "ignored"
                  : "shown"
            }
            toggle={(path) =>
              toggle(
                path,
                ignored.find((rule) => covers(rule, path)),
              )
            }
            sparks={sparks.data}
            more={found.more}
          />
        )}
      </div>
    </main>
  );
}

function tryRules(patterns: string[]): void {
  const asked = new URLSearchParams(address.value.search);
  setTried(asked, patterns);
  const text = asked.toString();
  go(address.value.path + (text ? `?${text}` : ""));
}
