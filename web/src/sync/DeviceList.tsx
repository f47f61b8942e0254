import { useState } from "preact/hooks";
import { patch, remove } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Destroy } from "../parts/Destroy.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { may } from "../state/may.ts";
import type { Pages } from "../state/pages.ts";
import { toast } from "../state/toasts.ts";
import { Finder } from "./Finder.tsx";
import { headersOf, type Space } from "./space.ts";
import { type Device, lagText, nameOf, SHAPES, uploadText } from "./words.ts";

interface DeviceListProps {
  project: string;
  space: Space;
  pages: Pages<Device>;
  find: { text: string; change: (text: string) => void };
  again: () => void;
}

type Open = { what: "name" | "remove"; device: Device } | null;

/** Devices by how far they are behind, to be named and removed. */
export function DeviceList({ project, space, pages, find, again }: DeviceListProps) {
  const devices = pages.data ?? [];
  const headers = headersOf(space);
  const [open, setOpen] = useState<Open>(null);
  const canChange = may("sync:write");
  const close = () => setOpen(null);
  const done = () => {
    close();
    again();
  };
  return (
    <>
      <Finder label="Find devices by what they are called" {...find} hidden={!pages.more && find.text === ""} />
      {devices.length === 0 && find.text !== "" && !pages.busy ? <p class="said">No device is called so.</p> : null}
      <ul class="device-list" aria-label="Devices">
        {devices.map((device) => (
          <li key={device.id}>
            <span class={`st ${SHAPES[device.state]}`} role="img" aria-label={device.state} />
            <div>
              <b>{nameOf(device)}</b>
              <small>{lagText(device)}</small>
              <small>
                last seen <Ago at={device.last_seen} />
                {device.name ? ` · ${device.device_id}` : null}
              </small>
              {device.uploads.map((upload) => (
                <small key={upload.upload_id} class={upload.state === "refused" ? "upload refused" : "upload"}>
                  {uploadText(upload)}, <Ago at={upload.touched_at} />
                </small>
              ))}
              {canChange ? (
                <div class="device-acts">
                  <button class="btn ghost" type="button" onClick={() => setOpen({ what: "name", device })}>
                    Name
                  </button>
                  <button class="btn ghost" type="button" onClick={() => setOpen({ what: "remove", device })}>
                    Remove
                  </button>
                </div>
              ) : null}
            </div>
          </li>
        ))}
      </ul>
      {pages.more ? (
        <button class="btn ghost more" type="button" onClick={pages.next} aria-disabled={pages.busy}>
          Show more
        </button>
      ) : null}
      {open?.what === "name" ? (
        <Name project={project} headers={headers} device={open.device} done={done} close={close} />
      ) : null}
      {open?.what === "remove" ? (
        <Destroy
          title={`Remove ${nameOf(open.device)}`}
          lead="It is signed out and no longer counts. Its records stay; when it pushes again it is back."
          name={nameOf(open.device)}
          label="The device’s name"
          action="Remove"
          run={async () => {
            await remove("/v1/devices/{device_id}", { in: project, path: { device_id: open.device.id }, headers });
            toast(`Removed: ${nameOf(open.device)}`);
            done();
          }}
          close={close}
        />
      ) : null}
    </>
  );
}

interface NameProps {
  project: string;
  headers: Record<string, string>;
  device: Device;
  done: () => void;
  close: () => void;
}

function Name({ project, headers, device, done, close }: NameProps) {
  const send = async (data: FormData) => {
    await patch("/v1/devices/{device_id}", {
      in: project,
      path: { device_id: device.id },
      body: { name: text(data, "name") || null },
      headers,
    });
    done();
  };
  return (
    <Dialog title={`Name ${nameOf(device)}`} lead={`It calls itself ${device.device_id}.`} close={close}>
      <Form send={send} tried="Naming the device">
        {(form) => (
          <>
            <Field form={form} label="Name" name="name" autocomplete="off" value={device.name ?? ""} />
            <SubmitOrCancel form={form} close={close}>
              Save
            </SubmitOrCancel>
          </>
        )}
      </Form>
    </Dialog>
  );
}
