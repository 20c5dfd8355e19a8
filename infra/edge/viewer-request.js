// The edge's viewer-request function (CloudFront Functions, runtime cloudfront-js-2.0).
//
// Every artifact has a host of its own, `<label>.<content domain>`, and its files lie
// under `artifact/<label>/` in the bucket. From host and path this makes the key of one
// file, in one spelling, and never one of another artifact. Who may read is decided by
// CloudFront itself, which checks the signed cookies against the host's own URL.
//
// Never here: a decision about cookies, or a path that is not below the host's label.
// Deployed inline in edge.yaml, between the two lines that say so; a test holds them equal.

var LABEL = /^[0-9a-f]{40}$/;
// What no path of a vault has in it: control characters and the backslash.
var FORBIDDEN = /[\u0000-\u001f\u007f\\]/;

function missing() {
  return {
    statusCode: 404,
    statusDescription: 'Not Found',
    headers: { 'cache-control': { value: 'no-store' } }
  };
}

function handler(event) {
  var request = event.request;
  var host = request.headers.host ? request.headers.host.value.toLowerCase() : '';
  var label = host.split('.')[0];
  if (!LABEL.test(label)) {
    return missing();
  }
  var segments = request.uri.split('/').slice(1);
  // A folder is asked for: its index document. An artifact that was published with
  // another one is served by the broker's own edge only.
  if (segments.length === 0 || segments[segments.length - 1] === '') {
    segments[Math.max(segments.length - 1, 0)] = 'index.html';
  }
  var path = '';
  for (var i = 0; i < segments.length; i++) {
    var name;
    try {
      name = decodeURIComponent(segments[i]);
    } catch (malformed) {
      return missing();
    }
    if (name === '' || name === '.' || name === '..' || name.indexOf('/') >= 0 || FORBIDDEN.test(name)) {
      return missing();
    }
    // Encoded anew: S3 takes a bare plus sign for a space.
    path += '/' + encodeURIComponent(name);
  }
  request.uri = '/artifact/' + label + path;
  // A file is the same whatever stands after a question mark.
  request.querystring = {};
  return request;
}
