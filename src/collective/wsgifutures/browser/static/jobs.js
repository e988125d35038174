// Follows a job: asks once, and the server answers when there is something new.

(() => {
  "use strict";

  // In seconds.
  const AGAIN = 3; // until the next try if there was no answer; twice as long each time,
  const SELDOM = 30; // up to this
  const PATIENCE = 60; // until a request without an answer has failed

  const root = document.getElementById("wsgifutures-job");
  const parts = document.getElementById("wsgifutures-job-parts");
  const heading = root.querySelector("h1");
  const leads = root.querySelector("[data-leads]");
  let version = root.dataset.version;

  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

  // A part that is the same stays, with the focus and with what is folded out; a status line
  // stays in any case, since screen readers watch for changes of a line that they know.

  function renew(old, fresh) {
    for (const token of fresh.querySelectorAll("[name=_authenticator]")) {
      token.value = old.querySelector("[name=_authenticator]")?.value ?? token.value;
    }
    if (old.isEqualNode(fresh)) return;
    old.className = fresh.className;
    const bar = old.querySelector("progress");
    const next = fresh.querySelector("progress");
    if (bar && next) {
      if (next.hasAttribute("value")) bar.value = next.value;
      else bar.removeAttribute("value");
      next.replaceWith(bar);
    }
    const focused = old.contains(document.activeElement) && document.activeElement !== document.body;
    old.replaceChildren(...fresh.childNodes);
    if (focused && !old.contains(document.activeElement)) heading.focus({ preventScroll: true });
  }

  function show(html) {
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    for (const part of fresh.querySelectorAll("[data-part]")) {
      renew(parts.querySelector(`[data-part="${part.dataset.part}"]`), part);
    }
  }

  function say(trouble) {
    for (const text of root.querySelectorAll("[data-trouble]")) {
      text.hidden = text.dataset.trouble !== trouble;
    }
  }

  // After a moment in which people read that it is done, unless they want to stay.

  function leadOn(url) {
    leads.hidden = false;
    const timer = setTimeout(() => location.replace(url), root.dataset.reading * 1000);
    leads.querySelector("[data-stay]").addEventListener("click", () => {
      clearTimeout(timer);
      leads.hidden = true;
      heading.focus({ preventScroll: true });
    });
  }

  async function ask() {
    const address = `${root.dataset.url}?since=${encodeURIComponent(version)}`;
    try {
      return await fetch(address, {
        cache: "no-store",
        credentials: "same-origin",
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE * 1000),
      });
    } catch {
      return null; // no server, or a slow one
    }
  }

  const isOut = (response) =>
    response.type === "opaqueredirect" || [401, 403, 404].includes(response.status);

  async function read(response) {
    try {
      return response && response.ok ? await response.json() : null;
    } catch {
      return null; // the answer of a proxy, say
    }
  }

  function untilSeen() {
    if (!document.hidden) return null;
    return new Promise((resolve) =>
      document.addEventListener("visibilitychange", resolve, { once: true }),
    );
  }

  async function follow() {
    let wait = AGAIN;
    while (true) {
      await untilSeen();
      const response = await ask();
      if (response && isOut(response)) return say("out");
      const told = await read(response);
      if (told) {
        say("");
        wait = AGAIN;
        version = told.version;
        show(told.html);
        if (told.ended) return told.goes_to && leadOn(told.goes_to);
        await pause(told.again);
      } else {
        say("gone");
        await pause(Math.max(wait, Number(response?.headers.get("Retry-After")) || 0));
        wait = Math.min(2 * wait, SELDOM);
      }
    }
  }

  if (root.dataset.ended === "no") follow();
  else if (root.dataset.follow === "yes" && root.dataset.goesTo) leadOn(root.dataset.goesTo);
})();
