import { useState } from "preact/hooks";
import { Problem } from "../problem.ts";
import { dismiss, type Toast, toasts } from "../state/toasts.ts";
import { Icon } from "./Icon.tsx";

/** What was just done, at the foot of the window, with its undo. */
export function Toasts() {
  return (
    <div class="toasts">
      {toasts.value.map((toast) => (
        <ToastView key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function ToastView({ toast }: { toast: Toast }) {
  const [failed, setFailed] = useState("");
  const run = async () => {
    try {
      await toast.act?.run();
      dismiss(toast.id);
    } catch (error) {
      setFailed(error instanceof Problem ? error.message : String(error));
    }
  };
  return (
    <div class="toast">
      <span>{failed ? `${toast.act?.name} failed: ${failed}` : toast.text}</span>
      {toast.act ? (
        <button class="btn" type="button" onClick={() => void run()}>
          {toast.act.name}
        </button>
      ) : null}
      <button class="icon" type="button" aria-label="Close" onClick={() => dismiss(toast.id)}>
        <Icon name="close" />
      </button>
    </div>
  );
}
