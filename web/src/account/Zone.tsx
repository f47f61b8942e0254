import { chooseZone, chosenZone, ownZone } from "../state/zone.ts";

/** The time zone that all times are told in. */
export function Zone() {
  const chosen = chosenZone.value;
  return (
    <div class="field">
      <label for="zone">Times are told in</label>
      <select id="zone" value={chosen ?? ""} onChange={(event) => chooseZone(event.currentTarget.value || null)}>
        <option value="">The zone of this device: {ownZone()}</option>
        <option value="UTC">UTC</option>
        {Intl.supportedValuesOf("timeZone").map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <small>Numbers and dates are written as your browser's language does.</small>
    </div>
  );
}
