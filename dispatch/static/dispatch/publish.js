// Has the server check an event while it is written, and fills in the example of its type.
"use strict";

(() => {
  const QUIET_MS = 350;
  const form = document.getElementById("wd-publish");
  const data = form.elements.data;
  const type = form.elements.type;
  const said = document.getElementById("wd-said");
  const about = (name) => form.querySelector(`[data-about=${name}]`);
  const button = (name) => form.querySelector(`[data-fill=${name}]`);
  const texts = { example: null, pretty: null };
  // What nobody wrote may be replaced.
  let untouched = form.dataset.isNew === "true" ? data.value : null;
  let named = null;
  let asked = 0;
  let timer = null;

  const line = (text, look) => {
    const made = document.createElement("p");
    made.className = `wd-text ${look}`;
    made.textContent = text;
    return made;
  };
  const fill = (text) => {
    data.value = text;
    untouched = null;
    later();
  };
  const show = (answer) => {
    const wrong = Object.entries(answer.wrong);
    const lines = wrong.map(([field, text]) => line(`${field}: ${text}`, "wd-bad-text"));
    lines.push(...answer.notes.map((text) => line(text, "wd-warn-text")));
    if (!lines.length) lines.push(line("✓ It can be published.", "wd-good-text"));
    said.replaceChildren(...lines);
    about("description").textContent = answer.description;
    about("description").hidden = !answer.description;
    about("schema").hidden = answer.schema === null;
    about("schema").querySelector("pre").textContent = answer.schema || "";
    texts.example = answer.example;
    texts.pretty = answer.pretty;
    button("example").hidden = answer.example === null || answer.example === data.value;
    button("pretty").hidden = answer.pretty === null || answer.pretty === data.value;
    if (type.value !== named) {
      named = type.value;
      if (answer.example !== null && data.value === untouched) {
        fill(answer.example);
        untouched = data.value;
      }
    }
  };
  const check = async () => {
    const mine = ++asked;
    if (!type.value.trim()) {
      said.replaceChildren();
      return;
    }
    try {
      const response = await fetch(form.dataset.check, { method: "POST", body: new FormData(form), redirect: "error" });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const answer = await response.json();
      if (mine === asked) show(answer);
    } catch (error) {
      if (mine === asked) said.replaceChildren(line(`Not checked: ${error.message}.`, "wd-weak"));
    }
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(check, QUIET_MS);
  };

  form.addEventListener("input", later);
  form.addEventListener("change", later);
  for (const name of Object.keys(texts)) button(name).addEventListener("click", () => fill(texts[name]));
  check();
})();
