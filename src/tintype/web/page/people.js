/** The pages of an account: sign up, sign in, what a mail leads to, and the account itself. One file, a page per path. */

import { showAccount } from "./account.js";
import { call } from "./api.js";
import { element } from "./elements.js";
import { makeForm } from "./form.js";
import { rememberSession } from "./session.js";

const HANDLE = {
  name: "handle", label: "Handle", autocomplete: "username", autocapitalize: "none", spellcheck: "false",
  hint: "Your name here: letters a to z, digits, _ and dots.",
};
const EMAIL = { name: "email", label: "E-mail", type: "email", autocomplete: "email" };
const NEW_PASSWORD = {
  name: "password", label: "Password", type: "password", autocomplete: "new-password",
  hint: "At least 12 characters. Four words that have nothing to do with each other are good.",
};
const LOGIN = { name: "login", label: "Handle or e-mail", autocomplete: "username", autocapitalize: "none" };
const PASSWORD = { name: "password", label: "Password", type: "password", autocomplete: "current-password" };
const CODE = {
  name: "totp", label: "Code", inputmode: "numeric", autocomplete: "one-time-code",
  hint: "Six digits from your authenticator app, or one of your recovery codes.",
};

const SIGN_IN = { text: "Sign in", href: "/sign-in" };
const SIGN_UP = { text: "Create an account", href: "/sign-up" };
const FORGOT = { text: "Forgot your password?", href: "/forgot-password" };

const PAGES = {
  "/sign-up": {
    title: "Create an account", fields: [HANDLE, EMAIL, NEW_PASSWORD], submit: "Create account", ways: [SIGN_IN],
    async send(values) {
      await call("POST", "/accounts", values);
      try {
        await signIn({ login: values.handle, password: values.password });
      } catch {
        tell("Look into your mail", `What happens next is in a mail to ${values.email}.`, [SIGN_IN]);
      }
    },
  },
  "/sign-in": { title: "Sign in", fields: [LOGIN, PASSWORD], submit: "Sign in", ways: [SIGN_UP, FORGOT], send: signIn },
  "/forgot-password": {
    title: "Choose a new password", lead: "We send you a link.", fields: [EMAIL], submit: "Send the link", ways: [SIGN_IN],
    async send(values) {
      const { detail } = await call("POST", "/account/password-reset", values);
      tell("Look into your mail", `${detail} The link in it works once, for one hour.`, [SIGN_IN]);
    },
  },
  "/reset-password": {
    needsLink: true, title: "Choose a new password", lead: "It signs you out everywhere.", fields: [NEW_PASSWORD], submit: "Change password",
    async send({ password }) {
      await call("POST", "/account/password-reset", { token, password });
      rememberSession(null);
      tell("Your password is changed", "Every device was signed out. Sign in with the new one.", [SIGN_IN]);
    },
  },
  "/verify-email": {
    needsLink: true, title: "Confirm your address", lead: "One click, and we know that it is yours.", fields: [], submit: "Confirm",
    async send() {
      await call("POST", "/account/verify-email", { token });
      tell("Your address is confirmed", "Thank you.", [{ text: "To your account", href: "/account" }]);
    },
  },
  "/setup": {
    needsLink: true, title: "Set Tintype up", lead: "You are the first: this account runs the site.",
    fields: [HANDLE, EMAIL, NEW_PASSWORD], submit: "Create the operator's account",
    async send(values) {
      const { csrf_token: csrf } = await call("POST", "/setup", { token, ...values });
      rememberSession(csrf);
      location.assign("/account");
    },
  },
};

/** What a link has behind `#`: no server and no log between has seen it, and nobody reads it over a shoulder. */
const token = location.hash.slice(1);
if (token) history.replaceState(null, "", location.pathname);

async function signIn(values) {
  try {
    const { csrf_token: csrf } = await call("POST", "/sessions", values);
    rememberSession(csrf);
    location.assign("/account");
  } catch (refusal) {
    if (refusal.code !== "auth.totp_required") throw refusal;
    const send = ({ totp }) => signIn({ ...values, totp });
    show({ title: "One more step", lead: "Your account asks for a code, too.", fields: [CODE], submit: "Sign in", send });
  }
}

function show({ title, lead, fields, submit, send, ways = [] }) {
  place(title, lead ? element("p", { class: "soft" }, lead) : null, makeForm({ fields, submit, send }), links(ways));
  document.querySelector("#person input, #person button")?.focus();
}

function tell(title, words, ways) {
  place(title, element("p", { class: "told", role: "status" }, words), links(ways));
}

const links = (ways) =>
  ways.length ? element("p", { class: "ways" }, ...ways.map(({ text, href }) => element("a", { href }, text))) : null;

function place(title, ...parts) {
  document.title = `${title} · Tintype`;
  const head = element("h1", {}, title);
  document.getElementById("person").replaceChildren(head, ...parts.filter((part) => part !== null));
}

const page = PAGES[location.pathname.replace(/\/$/, "")];
if (page?.needsLink && !token) {
  tell("This link is not complete", "Open it again from the mail, or ask for another one.", [SIGN_IN, FORGOT]);
} else if (page) show(page);
else showAccount(place, tell);
