/** The pages that links in mails lead to. The token stands behind `#`, and leaves the address as soon as it was read. */

import { element } from "./elements.js";

const HANDLE = { name: "handle", label: "Handle", type: "text", autocomplete: "username" };
const EMAIL = { name: "email", label: "E-mail address", type: "email", autocomplete: "email" };
const PASSWORD = { name: "password", label: "Password, at least 12 characters", type: "password", autocomplete: "new-password" };

const PAGES = {
  "/setup": {
    title: "Set up Tintype",
    about: "Make the operator's account of this server. The link works once.",
    fields: [HANDLE, EMAIL, PASSWORD],
    button: "Make the account",
    address: "/api/v1/setup",
    done: "Done: you are the operator, and signed in.",
  },
  "/reset-password": {
    title: "Choose a new password",
    about: "It signs out every device.",
    fields: [PASSWORD],
    button: "Set the password",
    address: "/api/v1/account/password-reset",
    done: "Done: sign in with your new password.",
  },
  "/verify-email": {
    title: "Confirm your address",
    about: "One click, and it is yours.",
    fields: [],
    button: "Confirm",
    address: "/api/v1/account/verify-email",
    done: "Done: the address is yours.",
  },
};

const page = PAGES[location.pathname.replace(/\/$/, "")];
const form = document.getElementById("form");
const status = document.getElementById("status");
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

document.title = `${page.title} · Tintype`;
document.getElementById("title").textContent = page.title;
document.getElementById("about").textContent = page.about;
form.append(...page.fields.map(field), element("button", {}, page.button));
form.hidden = !token;
if (!token) status.textContent = "This link is not complete. Open it again, or ask for another one.";

function field({ name, label, type, autocomplete }) {
  const input = element("input", { name, type, autocomplete, required: "", "aria-describedby": `wrong-${name}` });
  return element("label", {}, label, input, element("span", { class: "wrong", id: `wrong-${name}` }));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  status.textContent = "";
  try {
    await send();
  } catch {
    status.textContent = "The server cannot be reached. Try again.";
  }
  button.disabled = false;
});

async function send() {
  const answer = await fetch(page.address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...Object.fromEntries(new FormData(form)), token }),
  });
  if (answer.ok) {
    form.hidden = true;
    status.textContent = page.done;
    return;
  }
  const problem = await answer.json();
  const errors = new Map((problem.errors ?? []).map(({ field: name, message }) => [name, message]));
  for (const { name } of page.fields) {
    document.getElementById(`wrong-${name}`).textContent = errors.get(name) ?? "";
    form.elements[name].setAttribute("aria-invalid", String(errors.has(name)));
  }
  status.textContent = problem.detail;
}
