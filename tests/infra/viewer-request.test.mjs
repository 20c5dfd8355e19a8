// The edge's viewer-request function, as CloudFront would call it: run by `node --test`.
// What CloudFront itself does before and after is not here: it checks the cookies.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import vm from 'node:vm';

const code = readFileSync(new URL('../../infra/edge/viewer-request.js', import.meta.url), 'utf8');
const context = vm.createContext({});
vm.runInContext(code, context);

const LABEL = '0123456789abcdef0123456789abcdef01234567';
const HOST = `${LABEL}.content.example`;

// An event in the shape of the runtime's documentation.
function ask(uri, host = HOST, querystring = {}) {
  const headers = host === undefined || host === null ? {} : { host: { value: host } };
  context.event = {
    version: '1.0',
    context: { eventType: 'viewer-request' },
    viewer: { ip: '192.0.2.1' },
    request: { method: 'GET', uri, querystring, headers, cookies: {} },
  };
  return vm.runInContext('handler(event)', context);
}

const under = (path) => `/artifact/${LABEL}/${path}`;

test('a path is a file of the host it was asked on', () => {
  for (const [asked, key] of [
    ['/', 'index.html'],
    ['/index.html', 'index.html'],
    ['/docs/', 'docs/index.html'],
    ['/docs/a.pdf', 'docs/a.pdf'],
    ['/docs', 'docs'],
    ['/.hidden/...', '.hidden/...'],
    ['/a%20b.txt', 'a%20b.txt'],
    ['/%C3%A4.txt', '%C3%A4.txt'],
    ['/artifact/x', 'artifact/x'],
  ]) {
    assert.equal(ask(asked).uri, under(key), asked);
  }
});

test('one file has one spelling', () => {
  assert.equal(ask('/%61.txt').uri, under('a.txt'));
  // S3 takes a bare plus sign for a space.
  assert.equal(ask('/a+b.txt').uri, under('a%2Bb.txt'));
  assert.equal(ask('/a%2Bb.txt').uri, under('a%2Bb.txt'));
  assert.deepEqual({ ...ask('/a', HOST, { v: { value: '1' } }).querystring }, {});
});

test('hosts are read as broker and browsers read them', () => {
  assert.equal(ask('/a', HOST.toUpperCase()).uri, under('a'));
});

test('no path leads to another artifact, or out of the artifacts', () => {
  const other = 'f'.repeat(40);
  for (const uri of [
    `/../${other}/a`,
    `/%2e%2e/${other}/a`,
    `/%2E./${other}/a`,
    `/..%2f${other}/a`,
    `/x/../../${other}/a`,
    '/..',
    '/.',
    '/./a',
    '//a',
    '/a//b',
    '/a%2fb',
    '/a\\b',
    '/a%5Cb',
    '/a%00',
    '/a%0a',
    '/%7f',
    '/%',
    '/%zz',
    '/%C3',
    '/%ff',
  ]) {
    const answer = ask(uri);
    assert.equal(answer.statusCode, 404, uri);
    assert.equal(answer.uri, undefined, uri);
  }
});

test('what is no host of an artifact has no files', () => {
  for (const host of ['content.example', 'www.content.example', `${LABEL}0.content.example`, LABEL.slice(1) + '.content.example', `${LABEL.slice(1)}g.content.example`, '', null]) {
    assert.equal(ask('/a', host).statusCode, 404, String(host));
  }
});

test('it fits into what CloudFront takes', () => {
  assert.ok(Buffer.byteLength(code) < 10240);
  // The runtime has no modules, no network and no clock worth speaking of.
  assert.doesNotMatch(code, /import |require\(|Date|fetch|console/);
});
