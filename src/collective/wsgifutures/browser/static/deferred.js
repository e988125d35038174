/* Fetches the parts of a page that were not there when it was sent.

   A module, so that it runs once, after the page was read, however often it is named in it.
   What stands for a part has all texts that a person reads, in the language of the page. */

const PARTS = "[data-wsgifutures-part]";

/* A worker that is busy says for how long, in seconds: so often, and no longer, is waited. */
const MOST_WAITS = 5;
const LONGEST_WAIT = 60;

const parts = [...document.querySelectorAll(PARTS)];
const status = statusLine();
const underWay = new Map();
let arrived = 0;
let saying;

/* What screen readers say: there before anything arrives, or they would miss it. */
function statusLine() {
  const line = document.createElement("p");
  line.className = "wsgifutures-status";
  line.setAttribute("role", "status");
  document.body.append(line);
  return line;
}

/* Empty in between: the same is said again then. */
function say(text) {
  clearTimeout(saying);
  status.textContent = "";
  saying = setTimeout(() => {
    status.textContent = text;
  }, 100);
}

/* Two that are the same are fetched once. */
function fetched(address) {
  if (!underWay.has(address)) {
    const answer = ask(address, MOST_WAITS);
    underWay.set(address, answer);
    answer.finally(() => underWay.delete(address)).catch(() => {});
  }
  return underWay.get(address);
}

async function ask(address, waits) {
  const answer = await fetch(address, { credentials: "same-origin", redirect: "error" });
  const wait = secondsToWait(answer);
  if (waits && wait !== null && wait <= LONGEST_WAIT) {
    await new Promise((resolve) => setTimeout(resolve, (wait + Math.random()) * 1000));
    return ask(address, waits - 1);
  }
  return { status: answer.status, text: answer.ok ? await answer.text() : "" };
}

function secondsToWait(answer) {
  const after = answer.status === 503 ? answer.headers.get("Retry-After") : null;
  if (!after) {
    return null;
  }
  const seconds = Number(after);
  const wait = Number.isNaN(seconds) ? (Date.parse(after) - Date.now()) / 1000 : seconds;
  return Number.isNaN(wait) ? null : Math.max(0, wait);
}

class Part {
  constructor(place) {
    this.place = place;
    this.failed = place.querySelector("template[data-wsgifutures=failed]");
    this.gone = place.querySelector("template[data-wsgifutures=gone]");
  }

  async load() {
    this.place.setAttribute("aria-busy", "true");
    let answer;
    try {
      answer = await fetched(this.place.dataset.wsgifuturesPart);
    } catch {
      answer = { status: 0 };
    }
    this.place.setAttribute("aria-busy", "false");
    if (answer.status === 200) {
      this.arrive(answer.text);
    } else {
      this.fail([403, 404, 410].includes(answer.status) ? this.gone : this.failed);
    }
  }

  arrive(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    page.getElementById("protect-script")?.remove(); /* plone.protect's: the page has one */
    this.show([...page.body.childNodes]);
    arrived += 1;
    say(this.place.dataset.arrived.replace("{n}", arrived).replace("{all}", parts.length));
    this.place.dispatchEvent(new CustomEvent("wsgifutures-arrived", { bubbles: true }));
    /* Plone's own scripts look at what is new. */
    window.jQuery?.(document).trigger("patterns-injected", [undefined, undefined, this.place]);
  }

  fail(template) {
    const again = this.place.querySelector("[data-wsgifutures=again]");
    if (again && template === this.failed) {
      again.removeAttribute("aria-disabled"); /* it stays, and with it the focus */
    } else {
      this.show([template.content.cloneNode(true)]);
      this.listen(this.place.querySelector("button"));
    }
    say(this.place.dataset.failed);
  }

  listen(button) {
    if (!button) {
      return;
    }
    button.dataset.wsgifutures = "again";
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") {
        button.setAttribute("aria-disabled", "true");
        this.load();
      }
    });
  }

  /* Who was at the button goes on from what took its place. */
  show(nodes) {
    const focused = this.place.contains(document.activeElement);
    this.place.replaceChildren(...nodes);
    if (focused) {
      this.place.tabIndex = -1;
      this.place.focus({ preventScroll: true });
    }
  }
}

parts.forEach((place) => new Part(place).load());
