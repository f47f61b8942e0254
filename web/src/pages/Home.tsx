import { useEffect } from "preact/hooks";
import { get } from "../api.ts";
import { Failure } from "../parts/Failure.tsx";
import { Loading } from "../parts/Loading.tsx";
import { useLoad } from "../state/load.ts";
import { at, go } from "../state/location.ts";
import { lastProject } from "../state/project.ts";

/** Goes on to the project that was open last, else to the first one, else to where one is made. */
export default function Home() {
  const { data, error, again } = useLoad((signal) => get("/v1/projects", { query: { limit: 100 }, signal }), []);
  useEffect(() => {
    if (!data) return;
    const names = data.data.map((project) => project.name);
    const name = names.find((each) => each === lastProject()) ?? names[0];
    go(name === undefined ? "/projects" : at("p", name), { replace: true });
  }, [data]);
  return error ? <Failure tried="Looking for your projects" error={error} retry={again} /> : <Loading />;
}
