// The certified npm oidc-provider as a real process. Whoever it meets is signed in at once as the person that
// POST /admin named. Started with one argument: the JSON of { port, dashboard, backChannel }.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

import { Provider } from 'oidc-provider';

const { port, dashboard, backChannel } = JSON.parse(process.argv[2]);
const issuer = `http://localhost:${port}`;
const people = new Map();
const logoutsHeard = [];
let current;
let provider;

function key(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg };
}

function client(alg) {
  const slug = alg.toLowerCase();
  return {
    client_id: `anuma:${slug}`,
    client_secret: `the secret of ${slug}: a/b+c%d&e`,
    redirect_uris: [`${dashboard}/sign-in/${slug}/callback`],
    post_logout_redirect_uris: [`${dashboard}/signed-out`],
    backchannel_logout_uri: `${backChannel}/sign-in/${slug}/back-channel-logout`,
    backchannel_logout_session_required: true,
    id_token_signed_response_alg: alg,
  };
}

function start() {
  provider = new Provider(issuer, {
    clients: [client('ES256'), client('RS256')],
    jwks: { keys: [key('ec', { namedCurve: 'P-256' }, 'ES256'), key('rsa', { modulusLength: 2048 }, 'RS256')] },
    cookies: { keys: ['only for tests'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true },
      backchannelLogout: { enabled: true },
    },
    pkce: { required: () => true },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => people.get(sub) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    async loadExistingGrant(ctx) {
      const grant = new provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
    // Its own protection would keep it from reaching a dashboard on this machine, and its 2.5 seconds from a busy one.
    fetch: (url, { dispatcher, signal, ...options }) => fetch(url, { ...options, signal: AbortSignal.timeout(60_000) }),
  });
  provider.on('backchannel.success', () => logoutsHeard.push('accepted'));
  provider.on('backchannel.error', (_, error) => logoutsHeard.push(String(error)));
}

async function admin(request, response) {
  const { person, rotate } = await json(request);
  if (person) {
    people.set(person.sub, person);
    current = person.sub;
  }
  if (rotate) start();
  response.end(JSON.stringify({ logoutsHeard }));
}

async function answer(request, response) {
  if (request.url === '/admin') return admin(request, response);
  if (request.url.startsWith('/interaction/')) {
    return provider.interactionFinished(request, response, { login: { accountId: current } });
  }
  return provider.callback()(request, response);
}

start();
createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
}).listen(port, '127.0.0.1', () => console.log('ready'));
