import { useState } from "preact/hooks";
import { get, put, remove, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Invitations } from "../people/Invitations.tsx";
import { Invite } from "../people/Invite.tsx";
import { RolePick } from "../people/RolePick.tsx";
import { PROJECT_ROLES, type ProjectRole } from "../people/roles.ts";
import type { PageProps } from "../routes.ts";
import { Part, ProjectFrame } from "../settings/Frame.tsx";
import { Table } from "../settings/Table.tsx";
import { go } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { person } from "../state/session.ts";
import { toast } from "../state/toasts.ts";

type Member = Schemas["Member"];

const COLUMNS = [{ title: "Member" }, { title: "Role" }, { title: "Since" }, { title: "Actions", hidden: true }];

export default function Members({ params }: PageProps) {
  const project = params.project as string;
  const own = person.value?.id;
  const [leaving, setLeaving] = useState(false);
  const [owner, setOwner] = useState<string | null>(null);
  const [inviting, setInviting] = useState(false);
  const [invited, setInvited] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const pages = usePages<Member>(
    async (cursor, signal) => {
      const query = { limit: 100, ...(cursor ? { cursor } : {}) };
      const page = await get("/v1/projects/{project_id}/members", { path: { project_id: project }, query, signal });
      setOwner(page.owner?.user_id ?? null);
      return page;
    },
    [project],
  );
  const changed = async (work: Promise<unknown>) => {
    setError(null);
    await work.catch(setError);
    pages.again();
  };
  const set = (id: string, role: ProjectRole) =>
    changed(
      put("/v1/projects/{project_id}/members/{user_id}", {
        path: { project_id: project, user_id: id },
        body: { role },
      }),
    );
  const take = async (member: Member) => {
    const path = { project_id: project, user_id: member.user_id };
    await changed(
      remove("/v1/projects/{project_id}/members/{user_id}", { path }).then(() =>
        toast(`${member.email} is no member any more`, { name: "Undo", run: () => set(member.user_id, member.role) }),
      ),
    );
  };
  const leave = async () => {
    await remove("/v1/projects/{project_id}/members/{user_id}", { path: { project_id: project, user_id: own ?? "" } });
    go("/projects", { replace: true });
  };
  const mayChange = may("members:admin");
  const invite = mayChange ? (
    <button class="btn primary" type="button" onClick={() => setInviting(true)}>
      Invite
    </button>
  ) : null;
  return (
    <ProjectFrame project={project}>
      <Part
        title="Members"
        lead="Viewers read, editors add, admins delete and say who else may."
        acts={pages.data?.length === 0 ? null : invite}
      >
        {error ? <Failure tried="Changing the members" error={error} /> : null}
        <Table
          name="Members"
          pages={pages}
          columns={COLUMNS}
          keyOf={(member) => member.user_id}
          textOf={(member) => `${member.name} ${member.email}`}
          row={(member) => (
            <Row
              member={member}
              isFixed={!mayChange || member.user_id === owner}
              isOwner={member.user_id === owner}
              set={set}
              take={take}
              leave={member.user_id === own ? () => setLeaving(true) : null}
            />
          )}
          empty={
            <>
              <p>Nobody is a member: owners and admins of the instance see the project all the same.</p>
              {invite}
            </>
          }
        />
      </Part>
      {mayChange ? <Invitations project={project} turn={invited} /> : null}
      {inviting ? (
        <Invite project={project} close={() => setInviting(false)} made={() => setInvited(invited + 1)} />
      ) : null}
      {leaving ? (
        <Destroy
          title="Leave the project"
          lead="You see nothing of it any more, until somebody makes you a member again."
          name={project}
          label="Type its name"
          action="Leave"
          run={leave}
          close={() => setLeaving(false)}
        />
      ) : null}
    </ProjectFrame>
  );
}

interface RowProps {
  member: Member;
  isOwner: boolean;
  /** The reader may not change it: nobody may the owner. */
  isFixed: boolean;
  set: (id: string, role: ProjectRole) => Promise<void>;
  take: (member: Member) => Promise<void>;
  /** Of one's own row. */
  leave: (() => void) | null;
}

function Row({ member, isOwner, isFixed, set, take, leave }: RowProps) {
  return (
    <>
      <th scope="row">
        <b>{member.name || member.email}</b>
        {member.name ? <small>{member.email}</small> : null}
      </th>
      <td>
        {isFixed ? (
          isOwner ? (
            "owner"
          ) : (
            member.role
          )
        ) : (
          <RolePick
            email={member.email}
            role={member.role}
            roles={PROJECT_ROLES}
            change={(role) => void set(member.user_id, role)}
          />
        )}
      </td>
      <td data-name="Since">
        <Ago at={member.since} />
      </td>
      <td class="row-acts">
        {isFixed ? null : (
          <button class="btn" type="button" onClick={leave ?? (() => void take(member))}>
            {leave ? "Leave" : "Remove"}
          </button>
        )}
      </td>
    </>
  );
}
