/** Keeps every file of the page, so that it works without a network after the first load. */
declare const FILES: readonly string[];
declare const VERSION: string;

/** What is used of a service worker's global scope: the compiler has the page's names. */
interface Scope {
  addEventListener(name: 'install' | 'activate', take: (event: Waiting) => void): void;
  addEventListener(name: 'fetch', take: (event: Fetching) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

interface Waiting {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetching extends Waiting {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = self as unknown as Scope;
const NAME = `kappa-studio-${VERSION}`;

scope.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(NAME)
      .then((cache) => cache.addAll([...FILES]))
      .then(() => scope.skipWaiting()),
  );
});

scope.addEventListener('activate', (event) => {
  const old = caches
    .keys()
    .then((names) =>
      Promise.all(names.filter((n) => n.startsWith('kappa-studio-') && n !== NAME).map((n) => caches.delete(n))),
    );
  event.waitUntil(old.then(() => scope.clients.claim()));
});

scope.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  event.respondWith(caches.match(event.request, { ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)));
});
