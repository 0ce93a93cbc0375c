/** What this browser knows of being signed in. The cookie itself is out of every script's reach. */

const KEY = "tintype.csrf";

/** Stands where a delete token would, for an image of the account that is signed in. */
export const OWN = "own";

/** Remember the token that changes are sent with; null: signed out. */
export function rememberSession(csrfToken) {
  try {
    if (csrfToken) localStorage.setItem(KEY, csrfToken);
    else localStorage.removeItem(KEY);
  } catch {
    // no storage here: whoever is signed in is asked for the token on each page
  }
}

/** @returns {boolean} whether somebody signed in here; the session may be over meanwhile */
export function isSignedIn() {
  return csrfHeaders()["X-CSRF-Token"] !== undefined;
}

/** @returns {Record<string, string>} what proves that a page sent the request, and not another site's */
export function csrfHeaders() {
  try {
    const token = localStorage.getItem(KEY);
    return token ? { "X-CSRF-Token": token } : {};
  } catch {
    return {};
  }
}

/** @returns {Record<string, string>} what shows that the image is ours to change */
export function proofOf(deleteToken) {
  return deleteToken && deleteToken !== OWN ? { ...csrfHeaders(), "Upload-Token": deleteToken } : csrfHeaders();
}
