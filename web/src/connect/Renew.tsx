import { Dialog } from "../parts/Dialog.tsx";
import { Choice, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { OVERLAPS } from "./addresses.ts";

interface RenewProps {
  title: string;
  lead: string;
  renew: (overlap: string) => Promise<void>;
  close: () => void;
}

/** Another secret address in place of one, which works for a while longer. */
export function Renew({ title, lead, renew, close }: RenewProps) {
  return (
    <Dialog title={title} lead={lead} close={close}>
      <Form send={(data) => renew(text(data, "overlap"))} tried="Making a new address">
        {(form) => (
          <>
            <Choice label="The old address works" name="overlap" options={Object.entries(OVERLAPS)} />
            <SubmitOrCancel form={form} close={close}>
              Make a new address
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}
