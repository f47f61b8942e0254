import { post, type Schemas } from "../api.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Field, Form, Submit, text } from "../parts/Form.tsx";
import { at, go } from "../state/location.ts";

export default function NewEndpoint({ project, close }: { project: string; close: () => void }) {
  const send = async (data: FormData) => {
    const body = {
      name: text(data, "name").trim(),
      description: text(data, "description").trim(),
    } as Schemas["NewEndpoint"];
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
            <Field form={form} label="Name" name="name" required maxLength={200} autofocus placeholder="weather" />
            <Field form={form} label="Description" name="description" maxLength={2000} />
            <div class="acts">
              <button class="btn" type="button" onClick={close}>
                Cancel
              </button>
              <Submit form={form}>Make the endpoint</Submit>
            </div>
          </>
        )}
      </Form>
    </Dialog>
  );
}
