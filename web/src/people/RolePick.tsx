interface RolePickProps<R extends string> {
  /** Whose. */
  email: string;
  role: R;
  roles: readonly R[];
  change: (role: R) => void;
  disabled?: boolean;
}

export function RolePick<R extends string>({ email, role, roles, change, disabled = false }: RolePickProps<R>) {
  return (
    <select
      class="pick"
      aria-label={`Role of ${email}`}
      value={role}
      disabled={disabled}
      onChange={(event) => change(event.currentTarget.value as R)}
    >
      {roles.map((each) => (
        <option key={each} value={each}>
          {each}
        </option>
      ))}
    </select>
  );
}
