import { useState } from "preact/hooks";
import { get, remove, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { usePages } from "../state/pages.ts";

type Invitation = Schemas["Invitation"];

const COLUMNS = [
  { title: "Invited" },
  { title: "Role" },
  { title: "By" },
  { title: "State" },
  { title: "Actions", hidden: true },
];

interface InvitationsProps {
  /** null: into the instance. */
  project: string | null;
  /** Another one fetches anew. */
  turn: number;
}

/** Who is invited, and who was within 30 days. */
export function Invitations({ project, turn }: InvitationsProps) {
  const [revoked, setRevoked] = useState<Invitation | null>(null);
  const pages = usePages<Invitation>(
    (cursor, signal) => {
      const query = { limit: 100, ...(cursor ? { cursor } : {}) };
      return project === null
        ? get("/v1/invitations", { query, signal })
        : get("/v1/projects/{project_id}/invitations", { path: { project_id: project }, query, signal });
    },
    [project, turn],
  );
  const run = async (id: string) => {
    if (project === null) await remove("/v1/invitations/{invitation_id}", { path: { invitation_id: id } });
    else {
      const path = { project_id: project, invitation_id: id };
      await remove("/v1/projects/{project_id}/invitations/{invitation_id}", { path });
    }
    setRevoked(null);
    pages.again();
  };
  return (
    <Part title="Invitations">
      <Table
        name="Invitations"
        pages={pages}
        columns={COLUMNS}
        keyOf={(one) => one.id}
        row={(one) => <Row one={one} revoke={() => setRevoked(one)} />}
        empty={<p>Nobody is invited at present.</p>}
      />
      {revoked ? (
        <Destroy
          title="Revoke the invitation"
          lead={`Its link for ${revoked.email} works no more.`}
          label="Type the address"
          name={revoked.email}
          action="Revoke"
          run={() => run(revoked.id)}
          close={() => setRevoked(null)}
        />
      ) : null}
    </Part>
  );
}

function Row({ one, revoke }: { one: Invitation; revoke: () => void }) {
  return (
    <>
      <th scope="row">
        <b>{one.email}</b>
        <small>
          <Ago at={one.created_at} />
        </small>
      </th>
      <td>{one.role}</td>
      <td data-name="By">{one.invited_by ?? <span class="quiet">a command</span>}</td>
      <td>
        {one.state}
        {one.state === "pending" ? (
          <small>
            ends <Ago at={one.expires_at} />
          </small>
        ) : null}
      </td>
      <td class="row-acts">
        {one.state === "pending" ? (
          <button class="btn" type="button" onClick={revoke}>
            Revoke
          </button>
        ) : null}
      </td>
    </>
  );
}
