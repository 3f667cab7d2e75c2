// The one page of `crosslens up`: hands pictures to the API, shows answers and follows the events.
// Whatever comes from outside reaches the document as text only, never as markup.
"use strict";

const MAX_ROWS = 100;
const TOPICS = ["image_labelled", "image_failed", "image_moderated", "labels_translated"];

const at = (id) => document.getElementById(id);
const list = (value) => (Array.isArray(value) ? value : []);
const percent = (score) => `${(100 * Number(score)).toFixed(1)} %`;
const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// --- asking ---------------------------------------------------------------------------------------------------------

let latest = 0;

/** Asks about one picture and shows the answer, unless a later question has been asked meanwhile. */
async function ask(name, preview, request) {
  const turn = ++latest;
  showPreview(preview);
  clearResult();
  at("result").setAttribute("aria-busy", "true");
  at("said").textContent = `Looking at ${name} …`;
  let show;
  try {
    const response = await request();
    const body = await response.json().catch(() => ({}));
    const known = response.ok && body.requestId !== response.headers.get("x-request-id");
    show = response.ok ? () => showAnalysis(body, name, known) : () => showProblem(name, body, response);
  } catch (error) {
    show = () => showProblem(name, { title: "No answer", detail: "Is crosslens still running?" }, null);
  }
  if (turn !== latest) return;
  at("result").setAttribute("aria-busy", "false");
  show();
}

function features() {
  const chosen = [...document.querySelectorAll("[name=feature]:checked")].map((box) => box.value);
  return chosen.length ? chosen : ["labels"];
}

function askBytes(file, name) {
  const query = new URLSearchParams({ features: features().join(","), maxLabels: "10" });
  const headers = { "content-type": "application/octet-stream" };
  return ask(name, file, () => fetch(`/v1/images?${query}`, { method: "POST", headers, body: file }));
}

async function askFiles(files) {
  for (const file of files) await askBytes(file, file.name || "the picture");
}

function askAddress(text) {
  let name = "the address";
  try {
    name = new URL(text).host;
  } catch {
    // The API says what is wrong with it.
  }
  const body = JSON.stringify({ imageUri: text, features: features(), maxLabels: 10 });
  const headers = { "content-type": "application/json" };
  return ask(name, null, () => fetch("/v1/images", { method: "POST", headers, body }));
}

// --- showing --------------------------------------------------------------------------------------------------------

let previewUrl = null;

function showPreview(blob) {
  if (previewUrl) URL.revokeObjectURL(previewUrl);
  previewUrl = blob ? URL.createObjectURL(blob) : null;
  at("preview").hidden = !blob;
  at("invite").hidden = Boolean(blob);
  if (blob) at("preview").src = previewUrl;
  else at("preview").removeAttribute("src");
}

let shown = null;

function clearResult() {
  shown = null;
  for (const id of ["labels", "found", "findings", "facts"]) at(id).replaceChildren();
  for (const id of ["problem", "unsupported"]) at(id).hidden = true;
  at("said").textContent = "";
}

function showAnalysis(analysis, name, known) {
  clearResult();
  const labels = list(analysis.labels);
  const best = labels[0];
  at("said").textContent = best ? `${name}: ${best.description}, ${percent(best.score)} sure.` : `${name}: no label was found.`;
  if (!analysis.labels) at("said").textContent = `${name}: looked at.`;
  at("labels").replaceChildren(...labels.map(labelRow));
  showFound(analysis);
  shown = analysis.id;
  showFindings();
  const unsupported = list(analysis.unsupported);
  at("unsupported").hidden = unsupported.length === 0;
  at("unsupported").textContent = `${analysis.provider} cannot tell: ${unsupported.join(", ").replaceAll("_", " ")}.`;
  facts([
    ["Detector", `${analysis.provider}, ${analysis.model}`],
    ["Took", `${analysis.durationMs} ms${known ? `, at ${clock(analysis.analyzedAt)}; known since, so not asked again` : ""}`],
    ["Picture", `${analysis.mediaType}, ${analysis.width} × ${analysis.height}`],
    ["Source", analysis.source],
    ["Id", analysis.id],
  ]);
}

function labelRow(label) {
  const row = at("label-row").content.cloneNode(true);
  row.querySelector(".word").textContent = label.description;
  row.querySelector(".score").textContent = percent(label.score);
  row.querySelector(".bar").style.width = percent(label.score).replace(" ", "");
  return row;
}

/** What was asked for besides labels: absent means not asked, empty means nothing was found. */
function showFound(analysis) {
  const names = (found) => list(found).map((one) => `${one.description} (${percent(one.score)})`).join("\n") || "none";
  const rows = [];
  if (analysis.text) rows.push(["Text", analysis.text.content || "none"]);
  if (analysis.faces) rows.push(["Faces", String(list(analysis.faces).length)]);
  if (analysis.landmarks) rows.push(["Landmarks", names(analysis.landmarks)]);
  if (analysis.celebrities) rows.push(["Celebrities", names(analysis.celebrities)]);
  if (analysis.safeSearch) {
    const likely = ([what, how]) => `${what}: ${String(how).toLowerCase().replaceAll("_", " ")}`;
    rows.push(["Safe search", Object.entries(analysis.safeSearch).map(likely).join("\n")]);
  }
  if (analysis.properties) rows.push(["Colours", list(analysis.properties).map(swatch)]);
  define(at("found"), rows);
}

function swatch(colour) {
  const spot = document.createElement("span");
  spot.className = "swatch";
  spot.style.backgroundColor = colour.rgb;
  spot.title = `${colour.rgb}, ${percent(colour.fraction)}`;
  return spot;
}

const facts = (rows) => define(at("facts"), rows.filter(([, value]) => value));

function define(target, rows) {
  for (const [name, value] of rows) {
    const term = document.createElement("dt");
    const meaning = document.createElement("dd");
    term.textContent = name;
    meaning.append(...[value].flat());
    target.append(term, meaning);
  }
}

function showProblem(name, problem, response) {
  clearResult();
  const box = at("problem");
  const title = document.createElement("strong");
  const detail = document.createElement("span");
  const more = document.createElement("small");
  title.textContent = problem.title || `${name} was not answered`;
  detail.textContent = problem.detail || (response ? `Status ${response.status}` : "");
  const again = problem.retryable ? "Trying again may help. " : "";
  more.textContent = problem.requestId ? `${name}. ${again}Request ${problem.requestId}` : name;
  box.replaceChildren(title, detail, more);
  box.hidden = false;
}

// --- events and what is kept ----------------------------------------------------------------------------------------

function logRow(time, what, from, data) {
  const row = at("log-row").content.cloneNode(true).firstElementChild;
  const stamp = row.querySelector("time");
  stamp.dateTime = time;
  stamp.textContent = clock(time);
  row.querySelector(".what").textContent = what;
  row.querySelector(".what").classList.toggle("failed", Boolean(data.problem));
  row.querySelector(".from").textContent = from;
  row.dataset.id = data.id;
  row.querySelector("button").addEventListener("click", () => showAgain(data));
  return row;
}

function showAgain(data) {
  latest += 1;
  at("result").setAttribute("aria-busy", "false");
  showPreview(null);
  const name = data.source ? data.source.split("/").pop() || data.source : "An earlier picture";
  if (data.problem) showProblem(name, { title: "The picture was given up", detail: data.detail }, null);
  else if (data.verdict || data.translated) askKnown(data.id, name);
  else showAnalysis(data, name, false);
  at("result").scrollIntoView({ block: "nearest" });
}

/** Shows the analysis that a decision or a translation is about. */
async function askKnown(id, name) {
  const turn = latest;
  const response = await fetch(`/v1/images/${encodeURIComponent(id)}`).catch(() => null);
  const body = response ? await response.json().catch(() => ({})) : {};
  if (turn !== latest) return;
  if (response && response.ok && !body.state) showAnalysis(body, name, false);
  else showProblem(name, body, response);
}

const words = (analysis) => list(analysis.labels).slice(0, 3).map((label) => label.description).join(", ") || "no labels";
const cameFrom = (data) => data.source || "given in the request";

function addEvent(topic, message) {
  let event;
  try {
    event = JSON.parse(message.data);
  } catch {
    return;
  }
  const data = event.data || {};
  at("no-events").hidden = true;
  at("events").prepend(logRow(event.time, told(topic, data), `${topic} · ${cameFrom(data)}`, data));
  while (at("events").childElementCount > MAX_ROWS) at("events").lastElementChild.remove();
  if (topic === "image_labelled") keep([data], true);
  if (topic === "image_moderated") loadWaiting();
  if (topic === "image_moderated" || topic === "labels_translated") addFinding(topic, data);
}

function told(topic, data) {
  if (topic === "image_moderated") return verdict(data);
  if (topic === "labels_translated") return list(data.translated).slice(0, 3).map(translation).join(", ");
  return data.problem ? `${data.problem}: ${data.detail}` : words(data);
}

const verdict = (data) => `${data.verdict}${data.decidedBy ? ` by ${data.decidedBy}` : data.rule ? ` by the rule “${data.rule}”` : ""}`;
const translation = (one) => [one.label, ...Object.values(one.translations || {}).map((phrase) => phrase.text)].join(" = ");

/** What processors have found out about the picture that is shown. */
const findings = new Map();

function addFinding(topic, data) {
  const found = findings.get(data.id) || {};
  findings.delete(data.id);
  findings.set(data.id, { ...found, [topic]: data });
  if (findings.size > MAX_ROWS) findings.delete(findings.keys().next().value);
  if (data.id === shown) showFindings();
}

function showFindings() {
  const found = findings.get(shown) || {};
  const rows = [];
  if (found.image_moderated) rows.push(["Verdict", verdict(found.image_moderated)]);
  if (found.labels_translated) rows.push(["Elsewhere called", list(found.labels_translated.translated).map(translation).join("\n")]);
  at("findings").replaceChildren();
  define(at("findings"), rows);
}

// --- what waits for a person ----------------------------------------------------------------------------------------

async function loadWaiting() {
  const response = await fetch("/v1/reviews").catch(() => null);
  if (!response || !response.ok) return;
  const waiting = list((await response.json()).waiting);
  at("waiting-card").hidden = waiting.length === 0;
  at("waiting").replaceChildren(...waiting.map(waitingRow));
}

function waitingRow(item) {
  const row = at("waiting-row").content.cloneNode(true).firstElementChild;
  const { moderation } = item;
  const preview = row.querySelector("img");
  preview.src = `/v1/reviews/${encodeURIComponent(moderation.id)}/preview`;
  preview.addEventListener("error", () => preview.remove());
  row.querySelector(".what").textContent = verdict(moderation);
  row.querySelector(".from").textContent = `${cameFrom(moderation)} · since ${clock(item.since)}`;
  for (const button of row.querySelectorAll("[data-verdict]")) {
    button.addEventListener("click", () => decide(moderation.id, button.dataset.verdict, row));
  }
  return row;
}

async function decide(id, decision, row) {
  const reviewer = at("reviewer").value.trim();
  const reason = row.querySelector("input").value.trim();
  if (!reviewer || !reason) {
    (reviewer ? row.querySelector("input") : at("reviewer")).focus();
    return;
  }
  const body = JSON.stringify({ verdict: decision, reviewer, reason });
  const headers = { "content-type": "application/json" };
  await fetch(`/v1/reviews/${encodeURIComponent(id)}`, { method: "POST", headers, body }).catch(() => null);
  loadWaiting();
}

function keep(analyses, newest) {
  const known = new Set([...at("kept").children].map((row) => row.dataset.id));
  const fresh = analyses.filter((analysis) => !known.has(analysis.id));
  const rows = fresh.map((analysis) => logRow(analysis.analyzedAt, words(analysis), cameFrom(analysis), analysis));
  if (newest) at("kept").prepend(...rows);
  else at("kept").append(...rows);
  at("no-kept").hidden = at("kept").childElementCount > 0;
}

let cursor = null;

async function loadKept() {
  const query = cursor ? `?${new URLSearchParams({ cursor })}` : "";
  const response = await fetch(`/v1/images${query}`).catch(() => null);
  if (!response || !response.ok) return;
  const page = await response.json();
  keep(list(page.images), false);
  cursor = page.cursor || null;
  at("more").hidden = !cursor;
}

function follow() {
  const stream = new EventSource("/events");
  const state = (name, text) => {
    at("link").className = `link ${name}`;
    at("link-text").textContent = text;
  };
  stream.addEventListener("open", () => state("on", "following events"));
  stream.addEventListener("error", () => state("off", "not connected; trying again"));
  for (const topic of TOPICS) stream.addEventListener(topic, (message) => addEvent(topic, message));
}

// --- hands ----------------------------------------------------------------------------------------------------------

function take(transfer) {
  const files = [...transfer.files];
  const text = (transfer.getData("text/uri-list") || transfer.getData("text/plain")).trim();
  if (files.length) askFiles(files);
  else if (/^https?:\/\/\S+$/i.test(text)) askAddress(text);
  else return false;
  return true;
}

function listen() {
  const over = (on) => document.body.classList.toggle("over", on);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", (event) => over(event.relatedTarget !== null));
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    take(event.dataTransfer);
  });
  addEventListener("paste", (event) => {
    // Typing into the address field stays what it is.
    if (event.target instanceof HTMLInputElement && !event.clipboardData.files.length) return;
    if (take(event.clipboardData)) event.preventDefault();
  });
  at("file").addEventListener("change", async (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    await askFiles(files);
  });
  at("address-form").addEventListener("submit", (event) => {
    event.preventDefault();
    askAddress(at("address").value.trim());
  });
  at("sample").addEventListener("click", async () => {
    const picture = await fetch("/sample").then((response) => (response.ok ? response.blob() : null)).catch(() => null);
    if (picture) askBytes(picture, "the sample");
    else showProblem("The sample", { title: "No answer", detail: "The sample is not there" }, null);
  });
  at("more").addEventListener("click", loadKept);
}

at("curl").textContent = `curl --data-binary @picture.jpg -H 'content-type: image/jpeg' ${location.origin}/v1/images`;
listen();
follow();
loadKept();
loadWaiting();
