// Page views without cookies and without storage: docs/web-analytics.md
(() => {
  const { currentScript: at, referrer } = document;
  const nav = navigator;
  if (nav.globalPrivacyControl || /^(1|yes)$/.test(nav.doNotTrack || window.doNotTrack)) {
    window.delta = () => {};
    return;
  }
  const to = new URL(`v1/visits?writeKey=${at.dataset.key}`, at.src).href;
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  let path, url, from, since, shown;

  const send = (event, more, leaving) => {
    const body = JSON.stringify({
      event,
      url,
      referrer: from,
      width: screen.width,
      timeZone,
      language: nav.language,
      visitor: at.dataset.visitor,
      automated: nav.webdriver,
      ...more,
    });
    if (!leaving) fetch(to, { method: "POST", body, keepalive: true, credentials: "omit" }).catch(() => {});
    else nav.sendBeacon(to, body);
  };
  const pause = () => {
    if (since) shown += performance.now() - since;
    since = 0;
  };
  const go = () => {
    if (document.visibilityState === "visible") since = since || performance.now();
  };
  const leave = () => {
    pause();
    if (shown >= 1) send("page_leave", { engaged: Math.round(shown) }, true);
    shown = 0;
  };
  const see = (again) => {
    const now = new URL(location.href);
    const next = now.pathname + (/^#!?\//.test(now.hash) ? now.hash.split("?")[0] : "");
    if (!again && next === path) return;
    if (path) {
      leave();
      from = url;
    } else from = referrer;
    const kept = [...now.searchParams].filter(([name]) => /^utm_/.test(name));
    const [bare, route] = next.split("#");
    path = next;
    url = now.origin + bare + (kept[0] ? `?${new URLSearchParams(kept)}` : "") + (route ? `#${route}` : "");
    shown = 0;
    go();
    send("page");
  };
  const start = () => {
    see();
    for (const name of ["pushState", "replaceState"]) {
      const real = history[name];
      history[name] = function (...given) {
        real.apply(this, given);
        see();
      };
    }
    addEventListener("popstate", () => see());
    addEventListener("hashchange", () => see());
    addEventListener("pagehide", leave);
    addEventListener("pageshow", (event) => event.persisted && see(true));
    addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? leave() : go()));
    const early = (window.delta && window.delta.q) || [];
    window.delta = (name, data) => send(name, { data });
    for (const given of early) window.delta(...given);
  };
  if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
  else start();
})();
