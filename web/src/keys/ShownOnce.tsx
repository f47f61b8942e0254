import { Copy } from "../parts/Copy.tsx";
import { Dialog } from "../parts/Dialog.tsx";

/** A secret that nobody sees again. */
export function ShownOnce({
  title,
  lead,
  secret,
  what = "key",
  close,
}: {
  title: string;
  lead: string;
  secret: string;
  /** What is copied. */
  what?: string;
  close: () => void;
}) {
  return (
    <Dialog title={title} lead={lead} close={close}>
      <div class="secret">
        <code>{secret}</code>
        <Copy text={secret} what={what} />
      </div>
      <div class="acts">
        <button class="btn primary" type="button" onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  );
}
