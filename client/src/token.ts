/** The owner token of requests. */

/** A token, or a function that returns a fresh one. The function is called again before the token expires. */
export type Token = string | (() => string | Promise<string>);

/** A token is replaced this long before it expires. */
const MARGIN_MS = 30_000;

export class TokenSource {
  #given: Token;
  #latest: string | null = null;
  #pending: Promise<string> | null = null;

  constructor(given: Token) {
    this.#given = given;
  }

  /** Whether another token can be had when this one is refused. */
  get isRenewable(): boolean {
    return typeof this.#given === "function";
  }

  /** The latest token, if it is still valid for a while; null otherwise. */
  get current(): string | null {
    if (typeof this.#given === "string") return this.#given;
    const expiresAt = this.#latest === null ? null : expiryOf(this.#latest);
    return expiresAt !== null && expiresAt - Date.now() > MARGIN_MS ? this.#latest : null;
  }

  /** A token that is valid for a while. Rejects if the function fails. */
  async get(): Promise<string> {
    return this.current ?? this.renew();
  }

  /** Gets another token from the function. */
  async renew(): Promise<string> {
    const given = this.#given;
    if (typeof given === "string") return given;
    this.#pending ??= (async () => given())();
    try {
      this.#latest = await this.#pending;
      return this.#latest;
    } finally {
      this.#pending = null;
    }
  }

  /** Gets another token next time, because the service has refused the latest one. */
  forget(): void {
    this.#latest = null;
  }
}

/** When a JSON Web Token expires, in milliseconds since 1970; null if that cannot be read. */
function expiryOf(token: string): number | null {
  try {
    const claims = token.split(".")[1] ?? "";
    const { exp } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}

/** Whether a token was refused, or the one of a subscription has expired. Another token may help. */
export function isAboutToken(code: string | null | undefined): boolean {
  return code === "invalid_token" || code === "token_expired";
}
