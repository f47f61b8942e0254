import { post, type Schemas } from "../api.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Form, SubmitOrCancel } from "../parts/Form.tsx";
import { NamedFields, namedOf } from "../settings/Named.tsx";
import { at, go } from "../state/location.ts";

export default function NewEndpoint({ project, close }: { project: string; close: () => void }) {
  const send = async (data: FormData) => {
    const body = namedOf(data) as Schemas["NewEndpoint"];
    const { endpoint } = await post("/v1/endpoints", { in: project, body });
    go(at("p", project, "e", endpoint.name));
  };
  return (
    <Dialog
      title="New endpoint"
      lead="The history of one document. A snapshot sent to a new name makes one too."
      close={close}
    >
      <Form send={send} tried="Making the endpoint">
        {(form) => (
          <>
            <NamedFields form={form} autofocus placeholder="weather" />
            <SubmitOrCancel form={form} close={close}>
              Make the endpoint
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}
