import { useState } from "preact/hooks";
import { post, type Schemas } from "../api.ts";
import { ShownOnce } from "../keys/ShownOnce.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { at, BASE } from "../state/location.ts";
import { INSTANCE_ROLES, type InstanceRole, PROJECT_ROLES, type ProjectRole } from "./roles.ts";

interface InviteProps {
  /** null: into the instance. */
  project: string | null;
  made: () => void;
  close: () => void;
}

/** Asks for an address, and shows the link that makes its owner a member, where no mail carries it. */
export function Invite({ project, made, close }: InviteProps) {
  const [answer, setAnswer] = useState<Schemas["InvitationAnswer"] | null>(null);
  if (answer?.token) {
    const link = answer.link ?? `${location.origin}${BASE}${at("invite", answer.token).slice(1)}`;
    const { email } = answer.invitation;
    const way = answer.mailed ? `A mail with this link is on its way to ${email}.` : `Send ${email} this link.`;
    const lead = `${way} It works once and is shown this once.`;
    return <ShownOnce title="The invitation" lead={lead} secret={link} close={close} />;
  }
  if (answer) return <Mailed email={answer.invitation.email} close={close} />;
  const send = async (data: FormData) => {
    const email = text(data, "email").trim();
    const [role, expires_in] = [text(data, "role"), "7d"];
    setAnswer(
      project === null
        ? await post("/v1/invitations", { body: { email, role: role as InstanceRole, expires_in } })
        : await post("/v1/projects/{project_id}/invitations", {
            path: { project_id: project },
            body: { email, role: role as ProjectRole, expires_in },
          }),
    );
    made();
  };
  const roles = project === null ? INSTANCE_ROLES : PROJECT_ROLES;
  return (
    <Dialog title="Invite somebody" lead="The invitation is for one address, for seven days." close={close}>
      <Form send={send} tried="Inviting">
        {(form) => (
          <>
            <Field form={form} label="E-mail address" name="email" type="email" required autofocus autocomplete="off" />
            <Choice label="Role" name="role" options={roles.map((role) => [role, role])} />
            <SubmitOrCancel form={form} close={close}>
              Invite
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}

function Mailed({ email, close }: { email: string; close: () => void }) {
  return (
    <Dialog title="Invited" lead={`A mail with a link is on its way to ${email}.`} close={close}>
      <div class="acts">
        <button class="btn primary" type="button" onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
