//! The rule of the signature, by Twilio's own vectors and by hand.

use super::*;

const TOKEN: &str = "12345";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const FORM_BODY: &str =
    "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";

fn check(url: &str, query: Option<&str>, content_type: &str, body: &str, signature: &str) -> bool {
    let verifier = Verifier::new(AuthToken::new(TOKEN).unwrap(), url.parse().unwrap());
    verifier.verify(&Signed { query, content_type, body: body.as_bytes(), signature }).is_ok()
}

/// The signature that anybody would make of this text.
fn signed(text: &str) -> String {
    BASE64.encode(hmac::sign(&AuthToken::new(TOKEN).unwrap().key(), text.as_bytes()).as_ref())
}

#[test]
fn the_ports_and_forms_of_the_url_do_not_matter_and_its_host_and_path_do() {
    let right = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    let query = Some("foo=1&bar=2");
    for url in [
        "https://mycompany.com/myapp.php",
        "https://mycompany.com:443/myapp.php",
        "https://mycompany.com:1234/myapp.php",
    ] {
        assert!(check(url, query, FORM, FORM_BODY, right), "{url}");
        assert!(check(url, None, FORM, FORM_BODY, right) == url.contains('?'), "{url} without the query");
    }
    assert!(check(URL, None, FORM, FORM_BODY, right), "the query was declared with the URL");
    for wrong in ["https://mycompany.org/myapp.php", "http://mycompany.com/myapp.php", "https://mycompany.com/myapp"] {
        assert!(!check(wrong, query, FORM, FORM_BODY, right), "{wrong}");
    }
    assert!(check(
        "https://mycompany.com/myapp.php",
        query,
        "Application/X-WWW-form-urlencoded; charset=UTF-8",
        FORM_BODY,
        right
    ));
    assert!(!check("https://mycompany.com/myapp.php", query, "text/plain", FORM_BODY, right), "no form and no hash");
}

#[test]
fn a_body_that_is_no_form_is_signed_by_its_hash() {
    let (body, url) = ("{\"property\": \"value\", \"boolean\": true}", "https://mycompany.com/myapp.php");
    let query = "foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let right = "a9nBmqA0ju/hNViExpshrM61xv4=";
    assert!(check(url, Some(query), "application/json", body, right));
    assert!(!check(url, Some(query), "application/json", &body.replace("true", "false"), right));
    let without = signed(&format!("{url}?foo=1&bar=2"));
    assert!(!check(url, Some("foo=1&bar=2"), "application/json", body, &without), "a body that nobody signed");
    assert!(check(url, Some("foo=1&bar=2"), "", "", &without), "a GET has none");
}

#[test]
fn what_is_not_a_signature_is_none() {
    for wrong in
        ["", "=", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "rSOYDt4T1cUTdK1PDd93/VVr8B8=", " RSOYDt4T1cUTdK1PDd93/VVr8B8=", "é"]
    {
        assert!(!check(URL, None, FORM, FORM_BODY, wrong), "{wrong:?}");
    }
}

#[test]
fn an_ipv6_address_and_a_user_have_colons_of_their_own() {
    for (declared, signed_for) in [
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]/x"),
        ("https://me:pass@h.example:1/x", "https://me:pass@h.example/x"),
        ("http://h.example", "http://h.example:80"),
        ("https://h.example/x?a=it's", "https://h.example/x?a=it%27s"),
        ("https://h.example/x?a=1%202&b=3&a=%c3%a9", "https://h.example/x?a=1%202&a=%C3%A9&b=3"),
    ] {
        assert!(check(declared, None, "", "", &signed(signed_for)), "{declared}");
    }
    for wrong in ["ftp://x/", "https:///x", "x", "https://h/#f", "https://h/a b", "https://h\\x/"] {
        assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
    }
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let verifier = Verifier::new(AuthToken::new("hunter2").unwrap(), "https://me:hunter2@h.example/x".parse().unwrap());
    assert!(!format!("{verifier:?}").contains("hunter2"), "{verifier:?}");
    assert!(AuthToken::new("").is_none(), "nobody is let in by an empty token");
}
