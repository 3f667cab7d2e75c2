// Twilio's own validator for Node.js. In and out as `oracle.py` has it.
const twilio = require("twilio");
const { getExpectedTwilioSignature } = require("twilio/lib/webhooks/webhooks");

const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));

function params(pairs) {
  const grouped = {};
  for (const [name, value] of pairs) (grouped[name] ??= []).push(value);
  return grouped;
}

function answer({ token, url, params: pairs, body, signature }) {
  const form = body === null ? params(pairs) : {};
  const made = getExpectedTwilioSignature(token, url, form);
  const valid =
    body === null
      ? twilio.validateRequest(token, signature, url, form)
      : twilio.validateRequestWithBody(token, signature, url, body);
  return { made, valid };
}

console.log(JSON.stringify(cases.map(answer)));
