// The status page: renewed while somebody looks at it. Without this file it is as of one moment.

(() => {
  "use strict";

  const EVERY = 2000; // milliseconds between two answers
  const AGAIN = 5000; // after one that failed
  const PATIENCE = 10000; // for one answer

  const root = document.getElementById("futures-status");
  const parts = document.getElementById("futures-parts");
  const bar = root.querySelector(".futures-live");
  const pause = root.querySelector("[data-pause]");
  const dialog = root.querySelector("dialog");
  let renewed = performance.now();
  let timer = 0;

  // What is shown, made equal to what came, with as little change as possible: focus,
  // selection, scroll position and what is folded out stay.

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
    if (focused && !focused.isConnected) document.getElementById("futures-held")?.focus();
    renewed = performance.now();
  }

  // Whether it is live, said in words.

  function say(state) {
    if (bar.dataset.live === state) return;
    bar.dataset.live = state;
    const failed = !["live", "paused"].includes(state);
    bar.classList.toggle("alert-light", !failed);
    bar.classList.toggle("alert-danger", failed);
    for (const one of bar.querySelectorAll("[data-when]")) one.hidden = one.dataset.when !== state;
    tellAge();
  }

  function tellAge() {
    const told = bar.querySelector("[data-age]");
    told.hidden = bar.dataset.live === "live";
    told.querySelector("[data-seconds]").textContent = Math.round(
      (performance.now() - renewed) / 1000,
    );
  }

  const isPaused = () => pause.getAttribute("aria-pressed") === "true";

  async function answer() {
    try {
      return await fetch(parts.dataset.refresh, {
        cache: "no-store",
        redirect: "manual",
        signal: AbortSignal.timeout(PATIENCE),
      });
    } catch {
      return null; // nobody there, or too slow
    }
  }

  async function renew() {
    const response = await answer();
    if (isPaused()) return "paused";
    if (!response) return "gone";
    if (response.type === "opaqueredirect" || [401, 403].includes(response.status)) return "out";
    if (!response.ok) return "refused";
    try {
      show((await response.json()).html);
    } catch {
      return "refused"; // an answer of somebody else's
    }
    return "live";
  }

  async function go() {
    clearTimeout(timer);
    timer = 0;
    if (document.hidden || isPaused()) return;
    timer = -1; // one at a time
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

  // A cancel is asked for here, instead of on a page of its own.

  parts.addEventListener("click", (event) => {
    const link = event.target.closest("[data-cancel]");
    if (!link || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const asked = new URL(link.href).searchParams;
    for (const name of ["worker", "hold"]) {
      dialog.querySelector(`[name=${name}]`).value = asked.get(name);
    }
    dialog.querySelector("[data-path]").textContent =
      link.closest("tr").querySelector(".futures-path").textContent;
    dialog.showModal();
  });
  dialog?.querySelector("[data-close]").addEventListener("click", () => dialog.close());

  bar.querySelector("[data-reload]").hidden = true;
  pause.hidden = false;
  setInterval(tellAge, 1000);
  go();
})();
