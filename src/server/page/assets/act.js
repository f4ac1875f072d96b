// Acts: a dialog's form becomes one JSON call to the public API. What the form says is what is sent: the same fields
// make the body, the curl and the command line that are shown before anything happens.

import { all, base, h, one, unpercent, visible } from "./dom.js";
import { commandLine, curl } from "./quote.js";
import { t } from "./texts.js";

/**
 * @typedef {object} Call
 * @property {string} method
 * @property {string} path  without base
 * @property {unknown} body undefined when it has none
 * @property {string} operator
 * @property {string | null} cli
 */

/**
 * @typedef {object} Outcome
 * @property {boolean} ok
 * @property {number} status 0 when nothing answered
 * @property {any} answer
 * @property {string} requestId
 */

const OPERATOR = "saga-tracker-operator";

/** @param {HTMLFormElement} form @returns {(HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement)[]} */
function fields(form) {
  return [...form.elements].filter((field) => field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement);
}

/** @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} field */
function valueOf(field) {
  return field.dataset.percent === undefined ? field.value : unpercent(field.value);
}

/** @param {string} text @param {string | undefined} type */
function typed(text, type) {
  if (type === "number") return Number(text);
  if (type === "bool") return text === "true";
  if (type === "list") return [text];
  return text;
}

/** @param {Record<string, any>} body @param {string} place @param {unknown} value */
function put(body, place, value) {
  const names = place.split(".");
  const last = names.pop() ?? place;
  let within = body;
  for (const name of names) within = within[name] ??= {};
  within[last] = value;
}

/**
 * The call that a form stands for now.
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} [instead] values that stand in for fields
 * @returns {Call}
 */
export function callOf(form, instead = {}) {
  /** @type {Record<string, string>} */
  const values = { url: location.origin + base };
  /** @type {Record<string, any>} */
  const body = form.dataset.order ? JSON.parse(form.dataset.order) : {};
  /** @type {Record<string, string>} */
  const changes = {};
  let bytes = "";
  for (const field of fields(form)) {
    const value = instead[field.name] ?? valueOf(field);
    if (field.name) values[field.name] = value;
    if (field.dataset.body && value !== "") put(body, field.dataset.body, typed(value, field.dataset.type));
    if (field.dataset.change && value !== unpercent(field.dataset.was)) changes[field.dataset.change] = value;
    if (field.dataset.part === "edit-bytes" && field.dataset.base64) bytes = field.dataset.base64;
  }
  Object.assign(values, instead);
  if (instead.expectedStatus !== undefined) body.expectedStatus = instead.expectedStatus;
  if (bytes) body.change = { valueBase64: bytes };
  else if (Object.keys(changes).length > 0) body.change = { event: changes };
  if (form.dataset.path === "/api/v1/dead-letters/redrive" && !body.ids && !body.filter) body.filter = {};
  const path = (form.dataset.path ?? "").replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name] ?? ""));
  const line = commandLine(form.dataset.cli ?? "", values, changes);
  const cli = line === null || bytes ? null : [form.dataset.cliHead ?? "", line].filter(Boolean).join(" ");
  const bodyless = Object.keys(body).length === 0 && form.querySelector("[data-body]") === null;
  return { method: form.dataset.method ?? "POST", path, body: bodyless ? undefined : body, operator: values.operator ?? "", cli };
}

/** Sends it. @param {Call} call @returns {Promise<Outcome>} */
export async function send(call) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (call.body !== undefined) headers["Content-Type"] = "application/json";
  // A header takes bytes; the tracker reads these as UTF-8.
  if (call.operator) headers["X-Operator"] = String.fromCharCode(...new TextEncoder().encode(call.operator.replace(/[\p{Cc}]/gu, " ")));
  try {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const answer = await fetch(base + call.path, { method: call.method, headers, body });
    const text = await answer.text();
    let read = null;
    try {
      read = text ? JSON.parse(text) : null;
    } catch {
      read = { message: text };
    }
    return { ok: answer.ok, status: answer.status, answer: read, requestId: answer.headers.get("x-request-id") ?? "" };
  } catch (error) {
    return { ok: false, status: 0, answer: { message: t("js-no-answer", { why: String(error) }) }, requestId: "" };
  }
}

/** Shows what will be sent. @param {HTMLFormElement} form @param {Call} call */
export function preview(form, call) {
  const shown = one("[data-preview-curl]", form);
  const line = one("[data-preview-cli]", form);
  if (shown) shown.textContent = curl(call.method, location.origin + base + call.path, { operator: call.operator, body: call.body });
  if (line) line.textContent = call.cli === null ? t("js-no-cli") : call.operator ? `${commandLine("SAGA_TRACKER_OPERATOR={operator}", { operator: call.operator })} ${call.cli}` : call.cli;
}

/** What went wrong, with what is needed to tell somebody. @param {Outcome} outcome @param {Call} call */
export function failure(outcome, call) {
  const message = String(outcome.answer?.message ?? t("js-failed"));
  return [
    h("strong", {}, outcome.status ? `${outcome.status} ${visible(String(outcome.answer?.error ?? ""))}` : t("js-unreachable")),
    h("span", {}, visible(message)),
    outcome.requestId ? h("span", { class: "dim" }, `${t("js-request-id")} `, h("code", {}, visible(outcome.requestId))) : null,
    h("code", { class: "dim" }, curl(call.method, location.origin + base + call.path, { operator: call.operator, body: call.body })),
  ].filter((part) => part !== null);
}

/** @param {HTMLFormElement} form @param {(Node | string)[]} parts */
export function say(form, parts) {
  const place = one("[data-outcome]", form);
  if (!place) return;
  place.replaceChildren(...parts);
  place.hidden = parts.length === 0;
  if (!place.hidden) place.scrollIntoView({ block: "nearest" });
}

/** Where an act leads. @param {string} then @param {any} answer */
function follow(then, answer) {
  if (then === "reload") location.reload();
  else if (then) location.assign(base + then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(answer?.[name] ?? ""))));
}

/** @param {HTMLFormElement} form */
async function submit(form) {
  const button = form.querySelector("[data-submit]");
  if (!(button instanceof HTMLButtonElement) || button.disabled) return;
  const call = callOf(form);
  localStorage.setItem(OPERATOR, call.operator);
  button.disabled = true;
  const outcome = await send(call);
  button.disabled = false;
  if (!outcome.ok) {
    say(form, failure(outcome, call));
    return;
  }
  say(form, [h("strong", {}, t("js-done"))]);
  follow(form.dataset.then ?? "", outcome.answer);
}

/** Whether what must be typed was typed. @param {HTMLFormElement} form */
function confirmed(form) {
  for (const field of fields(form)) {
    if (field.dataset.mustBe === undefined) continue;
    const same = field.value.replace(/[\s,.]/g, "") === field.dataset.mustBe;
    field.setCustomValidity(same ? "" : t("js-must-be", { text: field.dataset.mustBe }));
  }
}

/** Opens the dialog that a button names, with what the button says of it. @param {HTMLElement} button */
function open(button) {
  const dialog = document.getElementById(button.dataset.open ?? "");
  if (!(dialog instanceof HTMLDialogElement)) return;
  for (const field of all("input[data-from]", dialog)) if (field instanceof HTMLInputElement) field.value = unpercent(field.dataset.otherwise);
  for (const [key, value] of Object.entries(button.dataset)) {
    if (!key.startsWith("set") || value === undefined) continue;
    const name = key.slice(3, 4).toLowerCase() + key.slice(4);
    for (const field of all(`input[data-from="${name}"]`, dialog)) if (field instanceof HTMLInputElement) field.value = unpercent(value);
    for (const line of all(`[data-fill="${name}"]`, dialog)) line.textContent = (line.dataset.text ?? "").replace(`{${name}}`, unpercent(value));
  }
  button.closest("details")?.removeAttribute("open");
  dialog.showModal();
  const form = dialog.querySelector("form");
  if (!form) return;
  for (const field of all("[data-operator]", form)) if (field instanceof HTMLInputElement && !field.value) field.value = localStorage.getItem(OPERATOR) ?? "";
  say(form, []);
  if (form.dataset.act !== undefined) preview(form, callOf(form));
}

export function listenForActs() {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const opener = event.target.closest("[data-open]");
    if (opener instanceof HTMLElement) open(opener);
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    if (event.target instanceof HTMLDialogElement && event.target.open) event.target.close();
  });
  document.addEventListener("input", (event) => {
    const form = event.target instanceof Element ? event.target.closest("form[data-act]") : null;
    if (!(form instanceof HTMLFormElement)) return;
    confirmed(form);
    preview(form, callOf(form));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.dataset.act === undefined) return;
    event.preventDefault();
    confirmed(form);
    if (form.reportValidity()) void submit(form);
  });
}
