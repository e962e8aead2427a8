/* What HTML cannot do alone. No dependencies; every page works without it. */
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const say = (text) => { const box = byId("announce"); if (box) box.textContent = text; };
  let leaving = false;
  document.documentElement.classList.add("js");

  async function copy(button) {
    const source = byId(button.dataset.copy);
    if (!source) return;
    const label = button.querySelector("span") || button;
    const before = label.dataset.before ||= label.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = "Copied";
      say("Copied");
    } catch {
      getSelection().selectAllChildren(source);
      say("Selected. Copy it with your keyboard");
    }
    setTimeout(() => { label.textContent = before; say(""); }, 2000);
  }

  function prepare() {
    for (const select of document.querySelectorAll("select[data-time-zone]")) {
      const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      if ([...select.options].some((option) => option.value === zone)) select.value = zone;
      select.removeAttribute("data-time-zone");
    }
  }

  // What is left of a support session, by the server's clock when the page came and by this one's steady one since.
  for (const place of document.querySelectorAll("[data-seconds-left]")) {
    const end = performance.now() + place.dataset.secondsLeft * 1000;
    const count = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      place.textContent = `${Math.floor(left / 60)} min ${left % 60} s left, `;
      if (left) setTimeout(count, 1000);
    };
    count();
  }

  // Passkeys: the server's options come as JSON in the form, the browser's answer goes back in its hidden field.
  let asking;
  async function ask(form) {
    const problem = byId("passkey-problem");
    const options = JSON.parse(form.dataset.options);
    problem.textContent = "";
    asking?.abort();
    asking = new AbortController();
    const { signal } = asking;
    try {
      const answer = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options), signal })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), signal });
      form.elements.credential.value = JSON.stringify(answer);
      form.submit();
    } catch {
      if (!signal.aborted) problem.textContent = problem.dataset.problem;
    }
  }

  if (globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON) {
    for (const place of document.querySelectorAll("[data-needs-passkeys]")) place.hidden = false;
    byId("no-passkeys")?.remove();
    const form = document.querySelector("form[data-passkey]");
    form?.addEventListener("submit", (event) => { event.preventDefault(); ask(form); });
    if (form) ask(form);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    else if (event.target.closest("[popover] a[href]")) event.target.closest("[popover]").hidePopover();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const search = document.querySelector("main input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  });

  // A swap must not lose the place of somebody who works by keyboard.
  let held = "";
  document.addEventListener("htmx:before:swap", ({ detail }) => {
    const target = detail.ctx?.target;
    held = target instanceof Element && target.contains(document.activeElement) ? target.id : "";
  });
  document.addEventListener("htmx:after:swap", () => {
    prepare();
    const place = held && document.activeElement === document.body && byId(held);
    if (place) { place.tabIndex = -1; place.focus({ preventScroll: true }); }
  });

  document.addEventListener("htmx:error", () => {
    const flash = byId("flash");
    if (leaving || !flash) return;
    const note = document.createElement("p");
    note.className = "note stop";
    note.textContent = flash.dataset.offline;
    flash.replaceChildren(note);
    flash.scrollIntoView({ block: "nearest" });
  });

  addEventListener("pagehide", () => {
    leaving = true;
    for (const open of document.querySelectorAll(":popover-open")) open.hidePopover();
  });
  addEventListener("pageshow", () => { leaving = false; });
  prepare();
  // A form may not redirect to another origin (form-action): the page it answers with goes on by itself.
  const way = document.querySelector("a[data-follow]");
  if (way) location.replace(way.href);
})();
