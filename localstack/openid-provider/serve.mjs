// An OpenID provider for the tests: oidc-provider, certified by the OpenID
// Foundation, on a free port of 127.0.0.1. Says "ready" and its issuer when it
// answers; takes new signing keys at each line of its input, and ends with it.
//
//     node serve.mjs FOLDER SETTINGS
//
// FOLDER is where oidc-provider is installed. SETTINGS is JSON: the algorithm that it signs with, the
// audience of its access tokens, and to which path of 127.0.0.1 it sends people back.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createInterface } from 'node:readline';

const [folder, settings] = process.argv.slice(2);
const { algorithm, audience, callback } = JSON.parse(settings);

const require = createRequire(pathToFileURL(`${folder}/package.json`));
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

function signingKey(alg) {
  const { privateKey } = alg === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' };
}

// ID tokens are signed with the algorithm of the client, access tokens with that of the API.
function client(client_id, more) {
  return {
    client_id,
    // Native, so that it may come back to any port of 127.0.0.1 (RFC 8252, section 7.3).
    application_type: 'native',
    redirect_uris: [`http://127.0.0.1${callback}`],
    id_token_signed_response_alg: algorithm,
    ...more,
  };
}

function provider(issuer) {
  return new Provider(issuer, {
    clients: [
      client('console', { client_secret: 'a secret: with "marks" & spaces %' }),
      client('public', { token_endpoint_auth_method: 'none' }),
      client('machine', {
        client_secret: 'machine-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
      }),
    ],
    jwks: { keys: [signingKey(algorithm)] },
    cookies: { keys: [randomUUID()] },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: 'files', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  });
}

const server = createServer((request, response) => answer(request, response));
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer).callback();
  console.log(`ready ${issuer}`);
  const input = createInterface({ input: process.stdin });
  input.on('line', () => {
    answer = provider(issuer).callback();
    console.log('rotated');
  });
  input.on('close', () => process.exit());
});
let answer;
