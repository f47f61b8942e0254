import { Dialog } from "../parts/Dialog.tsx";
import { Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";

interface RenameProps {
  name: string;
  save: (name: string) => Promise<void>;
  close: () => void;
}

/** Another name for a board; links to it stay as they are. */
export function Rename({ name, save, close }: RenameProps) {
  return (
    <Dialog title="Rename the board" close={close}>
      <Form send={(data) => save(text(data, "name"))} tried="Renaming the board">
        {(form) => (
          <>
            <Field
              form={form}
              label="Name"
              name="name"
              value={name}
              required
              maxLength={200}
              autofocus
              autocomplete="off"
            />
            <SubmitOrCancel form={form} close={close}>
              Rename
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}
