"""Code for receivers that verifies the signatures of one endpoint, with its own header names. Pure.

Each language is one text with places in it. What differs between schemes is how the key is made from the secret, which
headers are read, what is signed, and which texts the signature may be equal to.
"""

from collections.abc import Mapping
from typing import NamedTuple

from subscriptions.signature_schemes import Digest, Encoding, Layout, Scheme, Schemes, Signed

_TOLERANCE = "300"


class _Language(NamedTuple):
    """How a language says what schemes differ in. `@name@` in `text` are the places."""

    text: str
    key: Mapping[bool, str]  # by whether the standard scheme makes it
    candidates: Mapping[str, str]  # by how the header is laid out
    timestamp: Mapping[bool, str]  # by whether it stands in the signature's own header
    fresh: str
    message: Mapping[Signed, str]
    encoded: Mapping[Encoding, str]
    digests: Mapping[Digest, str]


_HASHES = {Digest.SHA256: "sha256", Digest.SHA512: "sha512", Digest.SHA1: "sha1"}

_PYTHON = _Language(
    text='''import base64, hashlib, hmac, time


def is_genuine(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """`headers` with their names in lower case, `body` as it arrived."""
    key = @key@
    given = headers["@header@"]
@timestamp@    message = @message@
    mac = hmac.digest(key, message, hashlib.@digest@)
    expected = "@prefix@" + @encoded@
    return any(hmac.compare_digest(expected, each) for each in @candidates@)
''',
    key={True: 'base64.b64decode(secret.removeprefix("whsec_"))', False: "secret.encode()"},
    candidates={
        "spaces": 'given.split(" ")',
        "one": "[given]",
        "combined": '[part[3:] for part in given.split(",") if part.startswith("v1=")]',
    },
    timestamp={
        False: '    timestamp = headers["@timestamp_header@"]\n',
        True: '    timestamp = next(part[2:] for part in given.split(",") if part.startswith("t="))\n',
    },
    fresh="    if abs(time.time() - int(timestamp)) > @tolerance@:\n        return False\n",
    message={
        Signed.BODY: "body",
        Signed.TIMESTAMP_BODY: 'f"{timestamp}.".encode() + body',
        Signed.ID_TIMESTAMP_BODY: """f"{headers['webhook-id']}.{timestamp}.".encode() + body""",
    },
    encoded={Encoding.HEX: "mac.hex()", Encoding.BASE64: "base64.b64encode(mac).decode()"},
    digests=_HASHES,
)
_JAVASCRIPT = _Language(
    text="""const crypto = require("node:crypto");

// `headers` with their names in lower case, `body` as a Buffer, as it arrived.
function isGenuine(secret, headers, body) {
  const key = @key@;
  const given = headers["@header@"];
@timestamp@  const message = @message@;
  const expected = "@prefix@" + crypto.createHmac("@digest@", key).update(message).digest("@encoded@");
  return @candidates@.some((each) =>
    each.length === expected.length && crypto.timingSafeEqual(Buffer.from(each), Buffer.from(expected)));
}
""",
    key={True: 'Buffer.from(secret.replace(/^whsec_/, ""), "base64")', False: "secret"},
    candidates={
        "spaces": 'given.split(" ")',
        "one": "[given]",
        "combined": 'given.split(",").filter((part) => part.startsWith("v1=")).map((part) => part.slice(3))',
    },
    timestamp={
        False: '  const timestamp = headers["@timestamp_header@"];\n',
        True: '  const timestamp = given.split(",").find((part) => part.startsWith("t=")).slice(2);\n',
    },
    fresh="  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > @tolerance@) return false;\n",
    message={
        Signed.BODY: "body",
        Signed.TIMESTAMP_BODY: "Buffer.concat([Buffer.from(`${timestamp}.`), body])",
        Signed.ID_TIMESTAMP_BODY: 'Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${timestamp}.`), body])',
    },
    encoded={Encoding.HEX: "hex", Encoding.BASE64: "base64"},
    digests=_HASHES,
)
_GO = _Language(
    text="""package webhooks

import (
	"crypto/hmac"
	"crypto/@digest@"
	"encoding/@encoding@"
	"net/http"
@imports@)

func IsGenuine(secret string, headers http.Header, body []byte) bool {
	key := @key@
	given := headers.Get("@header@")
@timestamp@	message := @message@
	mac := hmac.New(@new@, key)
	mac.Write(message)
	expected := "@prefix@" + @encoded@
	for _, each := range @candidates@ {
		if hmac.Equal([]byte(each), []byte(expected)) {
			return true
		}
	}
	return false
}
""",
    key={True: "decode(secret)", False: "[]byte(secret)"},
    candidates={"spaces": 'strings.Split(given, " ")', "one": "[]string{given}", "combined": 'parts(given, "v1=")'},
    timestamp={
        False: '	timestamp := headers.Get("@timestamp_header@")\n',
        True: '	timestamp := parts(given, "t=")[0]\n',
    },
    fresh="""	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if age := time.Now().Unix() - sent; err != nil || age > @tolerance@ || age < -@tolerance@ {
		return false
	}
""",
    message={
        Signed.BODY: "body",
        Signed.TIMESTAMP_BODY: 'append([]byte(timestamp+"."), body...)',
        Signed.ID_TIMESTAMP_BODY: 'append([]byte(headers.Get("webhook-id")+"."+timestamp+"."), body...)',
    },
    encoded={
        Encoding.HEX: "hex.EncodeToString(mac.Sum(nil))",
        Encoding.BASE64: "base64.StdEncoding.EncodeToString(mac.Sum(nil))",
    },
    digests=_HASHES,
)
_GO_NEW = {Digest.SHA256: "sha256.New", Digest.SHA512: "sha512.New", Digest.SHA1: "sha1.New"}
_GO_PARTS = """
func parts(given, name string) (found []string) {
	for _, part := range strings.Split(given, ",") {
		if strings.HasPrefix(part, name) {
			found = append(found, part[len(name):])
		}
	}
	return found
}
"""
_GO_DECODE = """
func decode(secret string) []byte {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	return key
}
"""
_RUBY = _Language(
    text="""require "base64"
require "openssl"

# `headers` with their names in lower case, `body` as it arrived.
def genuine?(secret, headers, body)
  key = @key@
  given = headers["@header@"]
@timestamp@  message = @message@
  mac = OpenSSL::HMAC.digest("@digest@", key, message)
  expected = "@prefix@" + @encoded@
  @candidates@.any? { |each| OpenSSL.secure_compare(expected, each) }
end
""",
    key={True: 'Base64.strict_decode64(secret.delete_prefix("whsec_"))', False: "secret"},
    candidates={
        "spaces": 'given.split(" ")',
        "one": "[given]",
        "combined": 'given.split(",").select { |part| part.start_with?("v1=") }.map { |part| part[3..] }',
    },
    timestamp={
        False: '  timestamp = headers["@timestamp_header@"]\n',
        True: '  timestamp = given.split(",").find { |part| part.start_with?("t=") }[2..]\n',
    },
    fresh="  return false if (Time.now.to_i - Integer(timestamp)).abs > @tolerance@\n",
    message={
        Signed.BODY: "body",
        Signed.TIMESTAMP_BODY: '"#{timestamp}.".b + body.b',
        Signed.ID_TIMESTAMP_BODY: '"#{headers["webhook-id"]}.#{timestamp}.".b + body.b',
    },
    encoded={Encoding.HEX: 'mac.unpack1("H*")', Encoding.BASE64: "Base64.strict_encode64(mac)"},
    digests=_HASHES,
)
_PHP = _Language(
    text="""<?php

// $headers with their names in lower case, $body as it arrived: file_get_contents('php://input').
function is_genuine(string $secret, array $headers, string $body): bool
{
    $key = @key@;
    $given = $headers['@header@'];
@timestamp@    $message = @message@;
    $expected = '@prefix@' . @encoded@;
    foreach (@candidates@ as $each) {
        if (hash_equals($expected, $each)) {
            return true;
        }
    }
    return false;
}
""",
    key={True: "base64_decode(preg_replace('/^whsec_/', '', $secret))", False: "$secret"},
    candidates={
        "spaces": "explode(' ', $given)",
        "one": "[$given]",
        "combined": "preg_replace('/^v1=/', '', preg_grep('/^v1=/', explode(',', $given)))",
    },
    timestamp={
        False: "    $timestamp = $headers['@timestamp_header@'];\n",
        True: "    $timestamp = substr(current(preg_grep('/^t=/', explode(',', $given))), 2);\n",
    },
    fresh="    if (abs(time() - (int) $timestamp) > @tolerance@) {\n        return false;\n    }\n",
    message={
        Signed.BODY: "$body",
        Signed.TIMESTAMP_BODY: "$timestamp . '.' . $body",
        Signed.ID_TIMESTAMP_BODY: "$headers['webhook-id'] . '.' . $timestamp . '.' . $body",
    },
    encoded={
        Encoding.HEX: "hash_hmac('@digest@', $message, $key)",
        Encoding.BASE64: "base64_encode(hash_hmac('@digest@', $message, $key, true))",
    },
    digests=_HASHES,
)
_JAVA = _Language(
    text="""import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Webhooks {
    /** Headers with their names in lower case, the body as it arrived. */
    static boolean isGenuine(String secret, Map<String, String> headers, byte[] body) throws GeneralSecurityException {
        byte[] key = @key@;
        String given = headers.get("@header@");
@timestamp@        Mac mac = Mac.getInstance("@digest@");
        mac.init(new SecretKeySpec(key, "@digest@"));
@message@        byte[] sum = mac.doFinal(body);
        String expected = "@prefix@" + @encoded@;
        for (String each : given.split("@candidates@")) {
            if (MessageDigest.isEqual(expected.getBytes(StandardCharsets.UTF_8), each@cut@)) {
                return true;
            }
        }
        return false;
    }
}
""",
    key={
        True: 'Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""))',
        False: "secret.getBytes(StandardCharsets.UTF_8)",
    },
    candidates={"spaces": " ", "one": "\\\\n", "combined": ","},
    timestamp={
        False: '        String timestamp = headers.get("@timestamp_header@");\n',
        True: '        String timestamp = given.replaceAll("(^|.*,)t=([0-9]+).*", "$2");\n',
    },
    fresh="""        if (Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) > @tolerance@) {
            return false;
        }
""",
    message={
        Signed.BODY: "",
        Signed.TIMESTAMP_BODY: '        mac.update((timestamp + ".").getBytes(StandardCharsets.UTF_8));\n',
        Signed.ID_TIMESTAMP_BODY: '        mac.update((headers.get("webhook-id") + "." + timestamp + ".")'
        ".getBytes(StandardCharsets.UTF_8));\n",
    },
    encoded={
        Encoding.HEX: "HexFormat.of().formatHex(sum)",
        Encoding.BASE64: "Base64.getEncoder().encodeToString(sum)",
    },
    digests={Digest.SHA256: "HmacSHA256", Digest.SHA512: "HmacSHA512", Digest.SHA1: "HmacSHA1"},
)
_JAVA_CUT = '.replaceFirst("^v1=", "")'
_SHELL = _Language(
    text="""# In variables: SECRET, BODY, @variables@and GIVEN, the header @header@.
key=$(printf %s "@key@)
@timestamp@expected=@prefix@$(printf %s "@message@" | openssl dgst -@digest@ -mac HMAC -macopt "hexkey:$key" @encoded@)
case "@candidates@" in *"@before@$expected@after@"*) echo genuine ;; *) echo forged ;; esac
""",
    key={
        True: "${SECRET#whsec_}\" | openssl base64 -d -A | od -An -tx1 | tr -d ' \\n'",
        False: "$SECRET\" | od -An -tx1 | tr -d ' \\n'",
    },
    candidates={"spaces": " $GIVEN ", "one": " $GIVEN ", "combined": ",$GIVEN,"},
    timestamp={False: "", True: "TIMESTAMP=$(printf %s \"$GIVEN\" | tr , '\\n' | sed -n 's/^t=//p')\n"},
    fresh="[ $(($(date +%s) - TIMESTAMP)) -le @tolerance@ ] || echo 'It is old.'\n",
    message={
        Signed.BODY: "$BODY",
        Signed.TIMESTAMP_BODY: "$TIMESTAMP.$BODY",
        Signed.ID_TIMESTAMP_BODY: "$ID.$TIMESTAMP.$BODY",
    },
    encoded={
        Encoding.HEX: "| sed 's/.*= //'",
        Encoding.BASE64: "-binary | openssl base64 -A",
    },
    digests=_HASHES,
)
LANGUAGES = {
    "Python": _PYTHON,
    "JavaScript": _JAVASCRIPT,
    "Go": _GO,
    "Ruby": _RUBY,
    "PHP": _PHP,
    "Java": _JAVA,
    "Shell": _SHELL,
}
_STANDARD = Scheme(
    header="Webhook-Signature-Of-The-Standard",
    encoding=Encoding.BASE64,
    prefix="v1,",
    signed=Signed.ID_TIMESTAMP_BODY,
    timestamp_header="Webhook-Timestamp-Of-The-Standard",
)


def snippets(schemes: Schemes) -> dict[str, str]:
    """Write, by language, code that verifies requests of an endpoint by the first of its schemes."""
    if schemes.standard:
        return {name: _written(name, language, _STANDARD, is_standard=True) for name, language in LANGUAGES.items()}
    scheme = schemes.others[0]
    return {name: _written(name, language, scheme, is_standard=False) for name, language in LANGUAGES.items()}


def _written(name: str, language: _Language, scheme: Scheme, *, is_standard: bool) -> str:
    is_combined = scheme.layout is Layout.COMBINED
    layout = "spaces" if is_standard else "combined" if is_combined else "one"
    header = "webhook-signature" if is_standard else scheme.header
    timestamp_header = "webhook-timestamp" if is_standard else scheme.timestamp_header
    if name not in ("Go", "Shell"):
        header, timestamp_header = header.lower(), timestamp_header.lower()
    timestamp = language.timestamp[is_combined] + language.fresh if scheme.signed.has_timestamp else ""
    text = language.text
    values = {
        "timestamp": timestamp,
        "key": language.key[is_standard],
        "candidates": language.candidates[layout],
        "message": language.message[scheme.signed],
        "encoded": language.encoded[scheme.encoding],
        **_of_language(name, scheme, layout, is_standard=is_standard),
        "digest": language.digests[scheme.digest],
        "prefix": scheme.prefix,
        "header": header,
        "timestamp_header": timestamp_header,
        "tolerance": _TOLERANCE,
    }
    for place, value in values.items():
        text = text.replace(f"@{place}@", value)
    return text + _functions(name, layout)


def _of_language(name: str, scheme: Scheme, layout: str, *, is_standard: bool) -> dict[str, str]:
    match name:
        case "Go":
            needed = ["strings"] * (layout != "one") + ["strconv", "time"] * scheme.signed.has_timestamp
            return {
                "encoding": scheme.encoding.value,
                "imports": "".join(f'\t"{each}"\n' for each in sorted(needed)),
                "new": _GO_NEW[scheme.digest],
            }
        case "Java":
            cut = _JAVA_CUT if layout == "combined" else ""
            return {"cut": f"{cut}.getBytes(StandardCharsets.UTF_8)"}
        case "Shell":
            named = ["ID"] * (scheme.signed is Signed.ID_TIMESTAMP_BODY)
            named += ["TIMESTAMP"] * (scheme.signed.has_timestamp and layout != "combined")
            before, after = (",v1=", ",") if layout == "combined" else (" ", " ")
            variables = "".join(f"{each}, " for each in named)
            return {"variables": variables, "before": before, "after": after}
        case _:
            return {}


def _functions(name: str, layout: str) -> str:
    """Give what else the code needs."""
    if name != "Go":
        return ""
    return {"combined": _GO_PARTS, "spaces": _GO_DECODE, "one": ""}[layout]
