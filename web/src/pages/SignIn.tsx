import { get } from "../api.ts";
import { Gate } from "../parts/Gate.tsx";
import { Login, nextOf } from "../parts/Login.tsx";
import { useLoad } from "../state/load.ts";
import { go, href } from "../state/location.ts";

export default function SignIn() {
  const methods = useLoad((signal) => get("/v1/auth/methods", { open: true, signal }), []);
  return (
    <Gate title="Sign in">
      <Login done={() => go(nextOf(), { replace: true })} />
      {methods.data?.registration === "open" ? (
        <p class="quiet">
          No account yet? <a href={href("/register")}>Make one</a>
        </p>
      ) : null}
    </Gate>
  );
}
