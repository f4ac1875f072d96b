// Picked rows: up to a hundred change their status at once, each by a call of its own and with a result of its own.

import { callOf, failure, preview, say, send } from "./act.js";
import { all, cut, h, need, number, one, statusMark, unpercent } from "./dom.js";
import { t } from "./texts.js";

const MOST = 100;

/** @returns {HTMLInputElement[]} */
function picked() {
  return all("input[data-pick]").filter((box) => box instanceof HTMLInputElement && box.checked).map((box) => /** @type {HTMLInputElement} */ (box));
}

function showPicked() {
  const bulk = need("#bulk", HTMLElement);
  const many = picked().length;
  bulk.hidden = many === 0;
  const text = one("[data-part=picked]", bulk);
  if (text) text.textContent = many > MOST ? t("js-picked-too-many", { count: number(many), most: number(MOST) }) : t("js-picked", { count: number(many) });
  for (const button of all("[data-open]", bulk)) if (button instanceof HTMLButtonElement) button.disabled = many > MOST;
}

/** @param {HTMLFormElement} form */
async function changeMany(form) {
  const button = need("[data-submit]", HTMLButtonElement, form);
  button.disabled = true;
  const results = h("ul");
  say(form, [results]);
  for (const box of picked().slice(0, MOST)) {
    const id = unpercent(box.dataset.pick);
    const call = callFor(form, box);
    const outcome = await send(call);
    const told = outcome.ok ? [h("strong", {}, t("js-done")), " ", statusMark(outcome.answer.previousStatus), " → ", statusMark(outcome.answer.currentStatus)] : failure(outcome, call).slice(0, 3).flatMap((part) => [part, " "]);
    results.append(h("li", {}, h("bdi", { class: "id" }, cut(id)), " ", ...told));
    if (outcome.ok) box.checked = false;
  }
  results.append(h("li", {}, t("js-many-over")));
  button.disabled = false;
  showPicked();
}

/** What stood before, by status. */
function sayBefore() {
  const place = one("[data-part=many-before]");
  if (!place) return;
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const box of picked()) counts.set(box.dataset.status ?? "", (counts.get(box.dataset.status ?? "") ?? 0) + 1);
  place.replaceChildren(t("js-picked", { count: number(picked().length) }), ": ", ...[...counts].flatMap(([status, many]) => [statusMark(status), ` ${number(many)}  `]));
}

document.addEventListener("change", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.part === "all") {
    for (const box of all("input[data-pick]")) if (box instanceof HTMLInputElement) box.checked = event.target.checked;
  }
  if (event.target instanceof HTMLInputElement && event.target.type === "checkbox") showPicked();
});
one("[data-part=none]")?.addEventListener("click", () => {
  for (const box of all("input[data-pick]")) if (box instanceof HTMLInputElement) box.checked = false;
  showPicked();
});
one("[data-open=act-status-many]")?.addEventListener("click", sayBefore);
const form = document.querySelector("form[data-act-many]");

/** The call for one of the picked sagas. @param {HTMLFormElement} of @param {HTMLInputElement} box */
function callFor(of, box) {
  return callOf(of, { sagaId: unpercent(box.dataset.pick), expectedStatus: box.dataset.status ?? "" });
}

function previewFirst() {
  const [first] = picked();
  if (first && form instanceof HTMLFormElement) preview(form, callFor(form, first));
}
form?.addEventListener("input", previewFirst);
one("[data-open=act-status-many]")?.addEventListener("click", () => setTimeout(previewFirst));
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form instanceof HTMLFormElement && form.reportValidity()) void changeMany(form);
});
