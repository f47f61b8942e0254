import { useState } from "preact/hooks";
import { get, patch, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Invitations } from "../people/Invitations.tsx";
import { Invite } from "../people/Invite.tsx";
import { RolePick } from "../people/RolePick.tsx";
import { INSTANCE_ROLES, type InstanceRole } from "../people/roles.ts";
import { InstanceFrame, Part } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { usePages } from "../state/pages.ts";
import { person } from "../state/session.ts";
import { toast } from "../state/toasts.ts";

type User = Schemas["InstanceUser"];
type Change = Schemas["InstanceUserChange"];

const COLUMNS = [
  { title: "User" },
  { title: "Role" },
  { title: "Second factor" },
  { title: "Last seen" },
  { title: "Made" },
  { title: "Actions", hidden: true },
];

/** The people of the instance. */
export default function Users() {
  const [error, setError] = useState<unknown>(null);
  const [inviting, setInviting] = useState(false);
  const [invited, setInvited] = useState(0);
  const pages = usePages<User>(
    (cursor, signal) => get("/v1/instance/users", { query: { limit: 100, ...(cursor ? { cursor } : {}) }, signal }),
    [],
  );
  const change = async (user: User, body: Change, back: Change, said: string) => {
    setError(null);
    const path = { user_id: user.id };
    const send = (what: Change) =>
      patch("/v1/instance/users/{user_id}", { path, body: what }).finally(() => pages.again());
    try {
      await send(body);
      toast(said, { name: "Undo", run: () => send(back) });
    } catch (caught) {
      setError(caught);
    }
  };
  const invite = (
    <button class="btn primary" type="button" onClick={() => setInviting(true)}>
      Invite
    </button>
  );
  return (
    <InstanceFrame>
      <Part
        title="Users"
        lead="Owners and admins may do everything in all projects; what members may do each project says."
        acts={invite}
      >
        {error ? <Failure tried="Changing the user" error={error} /> : null}
        <Table
          name="Users"
          pages={pages}
          columns={COLUMNS}
          keyOf={(user) => user.id}
          textOf={(user) => `${user.name} ${user.email}`}
          row={(user) => <Row user={user} change={change} />}
          empty={<p>Nobody is here.</p>}
        />
      </Part>
      <Invitations project={null} turn={invited} />
      {inviting ? (
        <Invite project={null} close={() => setInviting(false)} made={() => setInvited(invited + 1)} />
      ) : null}
    </InstanceFrame>
  );
}

interface RowProps {
  user: User;
  change: (user: User, body: Change, back: Change, said: string) => Promise<void>;
}

function Row({ user, change }: RowProps) {
  const disabled = user.state === "disabled";
  const setRole = (role: InstanceRole) => change(user, { role }, { role: user.role }, `${user.email} is ${role} now`);
  const turn = () =>
    change(
      user,
      { disabled: !disabled },
      { disabled },
      disabled ? `${user.email} may sign in again` : `${user.email} is signed out and may not sign in`,
    );
  return (
    <>
      <th scope="row" class={disabled ? "off" : undefined}>
        <b>{user.name || user.email}</b>
        {user.name ? <small>{user.email}</small> : null}
      </th>
      <td>
        <RolePick
          email={user.email}
          role={user.role}
          roles={INSTANCE_ROLES}
          change={(role) => void setRole(role)}
          disabled={user.id === person.value?.id}
        />
      </td>
      <td data-name="Second factor">{user.second_factor ? "yes" : <span class="quiet">no</span>}</td>
      <td data-name="Last seen">
        {user.last_seen_at ? <Ago at={user.last_seen_at} /> : <span class="quiet">never</span>}
      </td>
      <td data-name="Made">
        <Ago at={user.created_at} />
      </td>
      <td class="row-acts">
        {user.id === person.value?.id ? null : (
          <button class="btn" type="button" onClick={() => void turn()}>
            {disabled ? "Enable" : "Disable"}
          </button>
        )}
      </td>
    </>
  );
}
