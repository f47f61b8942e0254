import { Leaving, Password, Profile } from "../account/Own.tsx";
import { SecondFactor } from "../account/SecondFactor.tsx";
import { Sessions } from "../account/Sessions.tsx";
import { SingleSignOn } from "../account/SingleSignOn.tsx";
import { get } from "../api.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";

/** One's own account: sessions, password, second factor, the link to the identity provider, leaving. */
export default function Account() {
  const me = useLoad((signal) => get("/v1/auth/me", { signal }), []);
  if (me.error) return <Failure tried="Asking who you are" error={me.error} retry={me.again} />;
  if (!me.data) return <Loading />;
  return (
    <main id="main" class="wrap account">
      <h1>Your account</h1>
      <Profile user={me.data.user} />
      <Sessions />
      <Password />
      <SecondFactor me={me.data} changed={me.again} />
      <SingleSignOn />
      <Leaving email={me.data.user.email} />
    </main>
  );
}
