import { render } from "preact";
import { App } from "./app.tsx";
import { load } from "./routes.ts";
import { listen } from "./state/location.ts";
import { matched } from "./state/project.ts";
import { start } from "./state/session.ts";
import "./style.css";

const found = matched.peek();
if (found) void load(found.route.page); // its chunk comes while the session is asked for
void start(found?.route.open ?? false);
listen();
render(<App />, document.body);
