// A person at a browser: a profile of its own, authenticators that can be touched or not, and the
// steps they take on the page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from 'playwright-core';

/** Chromium must not talk to anyone but the page. */
const FLAGS = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

/** Messages of the browser about requests that a test makes fail on purpose. */
const EXPECTED = /Failed to load resource|net::ERR_/;

/** @type {Set<Person>} who has not left yet */
const present = new Set();

/**
 * A test. If it fails, what the people in it saw is added to the error.
 * @param {string} name
 * @param {() => Promise<void>} run
 */
export function scenario(name, run) {
  test(name, async () => {
    try {
      await run();
    } catch (error) {
      for (const person of present) {
        const seen = await person.page.locator('dialog[open], main').last().innerText({ timeout: 1000 }).catch(() => 'nothing');
        if (error instanceof Error) error.message += `\n--- the page shows:\n${seen.slice(0, 1500)}\n--- its errors: ${person.errors.join('\n')}`;
      }
      throw error;
    } finally {
      for (const person of present) await person.context.close();
      present.clear();
    }
  });
}

export const launch = () => chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: FLAGS });

export class Person {
  /**
   * @param {import('playwright-core').BrowserContext} context
   * @param {import('playwright-core').Page} page
   * @param {import('playwright-core').CDPSession} cdp
   * @param {string} base
   */
  constructor(context, page, cdp, base) {
    this.context = context;
    this.page = page;
    this.cdp = cdp;
    this.base = base;
    /** @type {string[]} what went wrong in the page without anybody catching it */
    this.errors = [];
    /** @type {string[]} */
    this.authenticators = [];
  }

  /**
   * @param {import('playwright-core').Browser} browser
   * @param {string} base the page's address
   */
  static async at(browser, base) {
    const context = await browser.newContext({ viewport: { width: 1200, height: 850 } });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable', { enableUI: false });
    const person = new Person(context, page, cdp, base);
    page.on('pageerror', (error) => person.errors.push(String(error.stack)));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && !EXPECTED.test(message.text())) person.errors.push(message.text());
    });
    await person.authenticator('internal');
    present.add(person);
    return person;
  }

  /** @param {'internal' | 'usb'} transport */
  async authenticator(transport) {
    const { authenticatorId } = await this.cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport, hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
    this.authenticators.push(authenticatorId);
    return authenticatorId;
  }

  /**
   * Only this authenticator is touched from now on; null: none is.
   * @param {string | null} id
   */
  async touchOnly(id) {
    for (const authenticatorId of this.authenticators) {
      await this.cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: authenticatorId === id });
    }
  }

  /** The first authenticator. */
  get first() {
    return String(this.authenticators[0]);
  }

  /** @param {string} [route] such as `keys` */
  async open(route = '') {
    await this.page.goto(`${this.base}/#/${route}`);
  }

  /** @param {string} name */
  async view(name) {
    await this.page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
    await this.page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  }

  /** @param {string} name */
  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  dialog() {
    return this.page.getByRole('dialog');
  }

  /** Waits until the enclave's prompt is shown. */
  async prompt() {
    await this.dialog().getByText('Good until').waitFor();
  }

  async approve() {
    await this.prompt();
    await this.dialog().getByRole('button', { name: 'Approve with passkey' }).click();
  }

  /** Approves and waits until the dialog has gone. */
  async approved() {
    await this.approve();
    await this.dialog().waitFor({ state: 'detached' });
  }

  /** Creates an account and ends at its keys. Returns the address of the first key. */
  async register(name = 'Ada') {
    await this.open('create');
    await this.page.getByLabel('Name of the account').fill(name);
    await this.button('Make a passkey').click();
    await this.approved();
    await this.page.getByRole('heading', { name: 'Your account is ready' }).waitFor();
    await this.page.getByRole('link', { name: 'Go to your keys' }).click();
    return this.address(0);
  }

  /** @param {number} key */
  async address(key) {
    const text = await this.page.locator(`[data-key="${key}"] .mono`).first().textContent();
    return /** @type {`0x${string}`} */ (text);
  }

  /**
   * Fills the sign view and asks for the prompt.
   * @param {'Text' | 'Sign-in message' | 'Typed data'} kind
   * @param {string} payload
   */
  async ask(kind, payload) {
    await this.page.getByRole('radio', { name: kind }).check();
    await this.page.locator('#payload').fill(payload);
    await this.button('Show what would be signed').click();
  }

  /**
   * @param {Parameters<Person['ask']>[0]} kind
   * @param {string} payload
   */
  async sign(kind, payload) {
    await this.ask(kind, payload);
    await this.approved();
    return this.signature();
  }

  /** The signature the page shows. */
  async signature() {
    const value = (/** @type {string} */ name) => this.page.locator(`[data-signed] [data-value="${name}"] .mono`).textContent();
    await this.page.locator('[data-signed]').waitFor();
    return {
      signature: /** @type {`0x${string}`} */ (await value('signature')),
      digest: /** @type {`0x${string}`} */ (await value('digest')),
      address: /** @type {`0x${string}`} */ (await value('address')),
    };
  }

  /**
   * Waits for a failure and checks that it says what happened and what to do.
   * @param {string} code the rule's name
   */
  async failed(code) {
    const alert = this.page.getByRole('alert').filter({ hasText: code });
    await alert.waitFor();
    assert.equal(await alert.locator('code').textContent(), code);
    const words = await alert.locator('strong, p').allTextContents();
    assert.ok(words.length >= 4 && words.every((text) => text.trim().length > 8), JSON.stringify(words));
    return alert;
  }

  /** Ends the visit; nothing may have gone wrong unnoticed. */
  async leave() {
    await this.context.close();
    present.delete(this);
    assert.deepEqual(this.errors, []);
  }
}
