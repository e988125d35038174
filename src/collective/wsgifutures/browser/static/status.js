// Refreshes the status page while somebody looks at it. Without this file the page stays as it is.

(() => {
  "use strict";

  // In milliseconds.
  const EVERY = 2000; // until the next refresh
  const AGAIN = 5000; // until the next refresh, if the last one failed
  const PATIENCE = 10000; // until a refresh without an answer has failed

  const root = document.getElementById("futures-status");
  const parts = document.getElementById("futures-parts");
  const bar = root.querySelector(".futures-live");
  const pause = root.querySelector("[data-pause]");
  const dialog = root.querySelector("dialog");
  let renewed = performance.now();
  let timer = 0;

  // Makes the old nodes equal to the fresh ones with as few changes as possible: the focus, the
  // selection, the scroll position and open details stay.

  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
    } else if (old.nodeType === Node.TEXT_NODE) {
      old.data = fresh.data;
    } else {
      morphAttributes(old, fresh);
      const named = [...old.children, ...fresh.children].some((child) => child.id);
      (named ? morphNamed : morphInOrder)(old, fresh);
    }
  }

  function morphAttributes(old, fresh) {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
  }

  function morphInOrder(old, fresh) {
    const nodes = [...old.childNodes];
    for (const node of [...fresh.childNodes]) {
      const same = nodes.shift();
      if (same) morph(same, node);
      else old.append(node);
    }
    nodes.forEach((node) => node.remove());
  }

  function morphNamed(old, fresh) {
    const stay = new Set([...fresh.children].map((child) => child.id));
    const known = new Map();
    for (const child of [...old.children]) {
      if (child.id && !stay.has(child.id)) child.remove();
      else if (child.id) known.set(child.id, child);
    }
    let next = old.firstElementChild;
    for (const node of [...fresh.children]) {
      const likely = next && !next.id && next.nodeName === node.nodeName ? next : null;
      const same = node.id ? known.get(node.id) : likely;
      if (same && same === next) next = next.nextElementSibling;
      else old.insertBefore(same || node, next);
      if (same) morph(same, node);
    }
    while (next) {
      const surplus = next;
      next = next.nextElementSibling;
      surplus.remove();
    }
  }

  function show(html) {
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    const focused = parts.contains(document.activeElement) ? document.activeElement : null;
    morphNamed(parts, fresh);
    if (focused && !focused.isConnected) parts.querySelector("h2[tabindex]")?.focus();
    renewed = performance.now();
  }

  // Says whether the page is live.

  function say(state) {
    if (bar.dataset.live === state) return;
    bar.dataset.live = state;
    const failed = !["live", "paused"].includes(state);
    bar.classList.toggle("alert-light", !failed);
    bar.classList.toggle("alert-danger", failed);
    for (const text of bar.querySelectorAll("[data-when]")) text.hidden = text.dataset.when !== state;
    showAge();
  }

  function showAge() {
    const age = bar.querySelector("[data-age]");
    age.hidden = bar.dataset.live === "live";
    age.querySelector("[data-seconds]").textContent = Math.round(
      (performance.now() - renewed) / 1000,
    );
  }

  const isPaused = () => pause.getAttribute("aria-pressed") === "true";

  async function ask() {
    try {
      return await fetch(parts.dataset.refresh, {
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
      });
    } catch {
      return null; // no server, or a slow one
    }
  }

  async function renew() {
    const response = await ask();
    if (isPaused()) return "paused";
    if (!response) return "gone";
    if (response.type === "opaqueredirect" || [401, 403].includes(response.status)) return "out";
    if (!response.ok) return "refused";
    try {
      show((await response.json()).html);
    } catch {
      return "refused"; // the answer of a proxy, say
    }
    return "live";
  }

  async function go() {
    clearTimeout(timer);
    timer = 0;
    if (document.hidden || isPaused()) return;
    timer = -1; // a refresh is under way
    const state = await renew();
    timer = 0;
    say(state);
    if (!isPaused() && !document.hidden) {
      timer = setTimeout(go, state === "live" ? EVERY : AGAIN);
    }
  }

  function goOn() {
    if (timer !== -1) go();
  }

  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    if (isPaused()) say("paused");
    else goOn();
  });
  document.addEventListener("visibilitychange", goOn);

  // A dialog asks before a hold is cancelled, instead of a page of its own.

  parts.addEventListener("click", (event) => {
    const link = event.target.closest("[data-cancel]");
    if (!link || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const query = new URL(link.href).searchParams;
    for (const name of ["worker", "hold"]) {
      dialog.querySelector(`[name=${name}]`).value = query.get(name);
    }
    dialog.querySelector("[data-path]").textContent =
      link.closest("tr").querySelector(".futures-path").textContent;
    dialog.showModal();
  });
  dialog?.querySelector("[data-close]").addEventListener("click", () => dialog.close());

  bar.querySelector("[data-reload]").hidden = true;
  pause.hidden = false;
  setInterval(showAge, 1000);
  go();
})();
