/** The page of one's own account: who you are, your password, and where you are signed in. */

import { call } from "./api.js";
import { element } from "./elements.js";
import { makeForm } from "./form.js";
import { rememberSession } from "./session.js";

/** Show the account, or lead whoever is not signed in to where they can. */
export async function showAccount(place, tell) {
  let session;
  try {
    session = await call("GET", "/session");
  } catch (refusal) {
    if (refusal.status !== 401) return tell("Your account cannot be shown", refusal.message, [{ text: "Try again", href: "/account" }]);
    rememberSession(null);
    return location.replace("/sign-in");
  }
  rememberSession(session.csrf_token);
  const { account } = session;
  const told = element("p", { class: "soft", role: "status" });
  place(
    account.name ?? account.handle,
    element("p", { class: "soft" }, `@${account.handle} · ${account.email}`),
    account.email_verified ? null : confirmation(told),
    told,
    profile(account, told),
    password(told),
    await sessions(session.id),
  );
}

function confirmation(told) {
  const button = element("button", { class: "quiet", type: "button" }, "Send the link again");
  button.addEventListener("click", () => attempt(told, () => call("POST", "/account/verify-email", {}), "A mail is on its way."));
  return element("p", { class: "told" }, "Your e-mail address is not confirmed yet. ", button);
}

function profile({ name, bio }, told) {
  const fields = [
    { name: "name", label: "Name", autocomplete: "name", value: name ?? "" },
    { name: "bio", label: "About you", value: bio ?? "" },
  ];
  const send = async (values) => {
    await call("PATCH", "/account", values);
    told.textContent = "Saved.";
  };
  return section("Profile", makeForm({ fields, submit: "Save", send }));
}

function password(told) {
  const fields = [
    { name: "current_password", label: "Password now", type: "password", autocomplete: "current-password" },
    { name: "password", label: "New password", type: "password", autocomplete: "new-password", hint: "At least 12 characters." },
  ];
  const send = async (values) => {
    await call("POST", "/account/password", values);
    told.textContent = "Your password is changed, and every other device is signed out.";
  };
  return section("Password", makeForm({ fields, submit: "Change password", send }));
}

async function sessions(own) {
  const { items } = await call("GET", "/sessions");
  const out = element("button", { class: "quiet", type: "button" }, "Sign out here");
  out.addEventListener("click", async () => {
    await call("DELETE", "/session").catch(() => {}); // over it is, here
    rememberSession(null);
    location.assign("/");
  });
  const rows = items.filter(({ id }) => id !== own).map(sessionRow);
  return section("Signed in", element("p", {}, "On this device. ", out), rows.length ? element("ul", {}, ...rows) : null);
}

function sessionRow({ id, agent, address, seen_at: seen }) {
  const words = element("span", {}, agent ?? "An unknown browser", element("small", {}, `${address ?? ""} · ${new Date(seen).toLocaleString()}`));
  const button = element("button", { class: "quiet", type: "button", "aria-label": `Sign out ${agent ?? "this browser"}` }, "Sign out");
  const row = element("li", { class: "session" }, words, button);
  button.addEventListener("click", async () => {
    await call("DELETE", `/sessions/${id}`);
    row.remove();
  });
  return row;
}

const section = (title, ...parts) => element("section", {}, element("h2", {}, title), ...parts);

async function attempt(told, act, done) {
  try {
    await act();
    told.textContent = done;
  } catch (refusal) {
    told.textContent = refusal.message;
  }
}
