// Amazon's own signer makes CloudFront's cookies: reads what for as JSON, and writes them as JSON.
//
//     node sign.mjs FOLDER
//
// FOLDER is where @aws-sdk/cloudfront-signer is installed. With `policy`, that text is signed; without it, the one that the
// signer writes by itself for `url` and `until`.

import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const { getSignedCookies } = require('@aws-sdk/cloudfront-signer');

const { url, until, policy, key_pair_id: keyPairId, private_key: privateKey } = JSON.parse(await text(process.stdin));
const what = policy ? { policy } : { url, dateLessThan: new Date(until * 1000).toISOString() };
console.log(JSON.stringify(getSignedCookies({ ...what, keyPairId, privateKey, algorithm: 'SHA256' })));
