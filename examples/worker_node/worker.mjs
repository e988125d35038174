// A worker elsewhere in Node.js 20, without dependencies: counts the words of a page.
//
//     SITE=https://www.example.com QUEUES=words node worker.mjs init "words on host7"
//     SITE=https://www.example.com QUEUES=words node worker.mjs
//
// KEY is the file of its key [worker.pem]. README.rst says what the task in Plone looks like.

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { randomUUID, sign } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const site = process.env.SITE.replace(/\/+$/, "");
const queues = process.env.QUEUES.split(",");
const keyFile = process.env.KEY ?? "worker.pem";

// --- What it does ---------------------------------------------------------------------------

const tasks = {
  async words(job) {
    const page = await (await job.get("")).json();
    job.progress(0.5, "fetched");
    const text = [page.title, page.description, page.text?.data].filter(Boolean).join(" ");
    const words = text.replace(/<[^>]*>/g, " ").split(/\s+/).filter(Boolean);
    return { words: words.length };
  },
};

// --- Who it is ------------------------------------------------------------------------------

if (!existsSync(keyFile)) {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(keyFile, pem, { mode: 0o600, flag: "wx" });
}
if (statSync(keyFile).mode & 0o077) throw new Error(`${keyFile}: others can read it`);
const key = createPrivateKey(readFileSync(keyFile));
const { crv, kty, x } = createPublicKey(key).export({ format: "jwk" });
const id = createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");

function assertion() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, exp: now + 60 };
  const claims = { iss: id, sub: id, aud: site, jti: randomUUID(), ...times };
  const text = `${part({ alg: "EdDSA", typ: "JWT", kid: id })}.${part(claims)}`;
  return `${text}.${sign(null, Buffer.from(text), key).toString("base64url")}`;
}

// --- What it says to the site ---------------------------------------------------------------

class Refused extends Error {
  constructor(status, text) {
    super(`${status} ${text}`);
    this.status = status;
  }
}

async function post(path, body, token, seconds = 30) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const signal = AbortSignal.timeout(seconds * 1000);
  const options = { method: "POST", headers, body: JSON.stringify(body), signal };
  const answer = await fetch(`${site}/${path}`, { ...options, redirect: "error" });
  if (!answer.ok) throw new Refused(answer.status, await answer.text());
  return answer.status === 204 ? null : await answer.json();
}

let token = { value: "", until: 0 };

async function ownToken() {
  if (Date.now() < token.until) return token.value;
  const type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  const grant = { grant_type: "client_credentials", client_assertion_type: type };
  const answer = await post("@token", { ...grant, client_assertion: assertion() });
  token = { value: answer.access_token, until: Date.now() + answer.expires_in * 750 };
  return token.value;
}

// --- Jobs -----------------------------------------------------------------------------------

async function work(claim) {
  let access = claim.access_token;
  let said = {};
  let lost = false;
  let ended = false;
  const tell = (verb, body) => post(`@jobs/${claim.job}/${verb}`, body, claim.claim);
  const keep = async () => {
    for (;;) {
      await sleep((claim.lease * 1000) / 3, undefined, { ref: false });
      if (ended || lost) return;
      try {
        const answer = await tell("done" in said ? "progress" : "heartbeat", said);
        access = answer.access_token ?? access;
        lost = answer.cancelled;
      } catch (error) {
        lost = error instanceof Refused && error.status < 500 && error.status !== 429;
      }
    }
  };
  keep();
  const job = {
    ...claim,
    progress: (done, words) => (said = { done, words }),
    get(path) {
      const url = new URL(path, `${claim.context["@id"]}${path ? "/" : ""}`);
      if (!`${url}/`.startsWith(`${site}/`)) throw new Error(`not of the site: ${url.host}`);
      const headers = { Authorization: `Bearer ${access}`, Accept: "application/json" };
      return fetch(url, { headers, redirect: "error" });
    },
  };
  let end;
  try {
    const result = await tasks[claim.task](job);
    end = ["complete", { result }];
  } catch (error) {
    end = ["fail", { error: `${error.name}: ${error.message}` }];
  }
  ended = true;
  const until = Date.now() + claim.lease * 1000;
  while (!lost && Date.now() < until) {
    try {
      const { state } = await tell(...end);
      return console.log(`job ${claim.job} (${claim.task}): ${end[0]}, ${state}`);
    } catch (error) {
      if (error.status < 500 && error.status !== 429) {
        return console.error(`job ${claim.job}: ${error.message}`);
      }
      await sleep(1000 + Math.random() * 1000);
    }
  }
}

async function run() {
  let claimKey = randomUUID(); // the same until there is an answer: none is lost
  let pause = 1;
  for (;;) {
    let claim;
    try {
      const body = { queues, wait: 50, key: claimKey };
      claim = await post("@jobs/claim", body, await ownToken(), 80);
    } catch (error) {
      console.error(`no claim: ${error.message}`);
      if (error.status === 401) token.until = 0;
      await sleep(pause * 1000 * (0.5 + Math.random() / 2));
      pause = Math.min(60, pause * 2);
      continue;
    }
    [claimKey, pause] = [randomUUID(), 1];
    if (claim) await work(claim);
    else await sleep(1000); // 204: none came; a site that lets nobody wait says so at once
  }
}

if (process.argv[2] === "init") {
  const name = process.argv[3] ?? "a worker in Node.js";
  const body = { jwk: { crv, kty, x }, name, queues, assertion: assertion() };
  const { state } = await post("@workers", body);
  console.log(`Fingerprint: ${id.match(/.{1,4}/g).join(" ")}\n${state}`);
} else {
  await run();
}
