//! A stand-in for the two services of Google's that turn an AWS role into an ID token: the Security Token Service and the IAM
//! credentials API. It checks what Google would check, above all the role's signature, and fails as it is told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::boto::REGION;
use crate::sigv4::Signed;

/// The pool's provider, as both sides know it.
pub const PROVIDER: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/crosslens/providers/aws";

const FEDERATED: &str = "the-federated-token";

/// The stand-in, on a loopback port. It stops with the runtime that it was started on.
#[derive(Debug, Clone)]
pub struct GoogleStandIn {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    /// Seconds that the next tokens are valid for.
    valid: i64,
    /// The status of the next tries to get an ID token.
    status: u16,
    given: Vec<String>,
    exchanges: usize,
    faults: Vec<String>,
}

impl GoogleStandIn {
    /// Starts it, giving tokens of an hour.
    pub async fn start() -> Self {
        let shared = Shared { valid: 3600, status: 200, given: vec![], exchanges: 0, faults: vec![] };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let stand_in = Self { address, shared: Arc::new(Mutex::new(shared)) };
        let routes = Router::new()
            .route("/v1/token", post(exchange))
            .route("/v1/projects/-/serviceAccounts/{call}", post(generate))
            .with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        stand_in
    }

    /// What `gcloud iam workload-identity-pools create-cred-config` would write, with these services in place of Google's.
    pub fn credentials(&self) -> Value {
        let base = format!("http://{}", self.address);
        let account = "caller@project.iam.gserviceaccount.com";
        json!({
            "universe_domain": "googleapis.com",
            "type": "external_account",
            "audience": PROVIDER,
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": format!("{base}/v1/token"),
            "service_account_impersonation_url": format!("{base}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"),
            "credential_source": {
                "environment_id": "aws1",
                "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
                "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
            },
        })
    }

    /// How many seconds the next tokens are valid for.
    pub fn valid(&self, seconds: i64) {
        self.shared().valid = seconds;
    }

    /// The status of the answer to whoever wants an ID token.
    pub fn status(&self, status: u16) {
        self.shared().status = status;
    }

    /// The ID tokens that were given, in order.
    pub fn given(&self) -> Vec<String> {
        self.shared().given.clone()
    }

    /// How many role's signatures were exchanged.
    pub fn exchanges(&self) -> usize {
        self.shared().exchanges
    }

    /// What was wrong with calls so far.
    pub fn faults(&self) -> Vec<String> {
        self.shared().faults.clone()
    }

    fn refuse(&self, fault: String) -> Response {
        self.shared().faults.push(fault.clone());
        (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant", "error_description": fault }))).into_response()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn exchange(State(stand_in): State<GoogleStandIn>, body: Bytes) -> Response {
    let form = form_urlencoded::parse(&body).into_owned().collect();
    if let Err(fault) = check_exchange(&form) {
        return stand_in.refuse(fault);
    }
    stand_in.shared().exchanges += 1;
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let token =
        json!({ "access_token": FEDERATED, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600 });
    Json(token).into_response()
}

/// The form of the exchange, and the signed request for `GetCallerIdentity` in it, which Google would send to AWS.
fn check_exchange(form: &BTreeMap<String, String>) -> Result<(), String> {
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", PROVIDER),
        ("subject_token_type", "urn:ietf:params:aws:token-type:aws4_request"),
    ];
    for (name, value) in expected {
        if get(name) != value {
            return Err(format!("{name} is {}", get(name)));
        }
    }
    // The token is the request as JSON, encoded once more.
    let token = form_urlencoded::parse(get("subject_token").as_bytes()).next().unwrap_or_default().0.into_owned();
    let request: Value = serde_json::from_str(&token).map_err(|error| format!("the subject token: {error}"))?;
    let url = Url::parse(request["url"].as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    let host = format!("sts.{REGION}.amazonaws.com");
    if (url.scheme(), url.host_str(), url.query())
        != ("https", Some(&host), Some("Action=GetCallerIdentity&Version=2011-06-15"))
    {
        return Err(format!("the url is {url}"));
    }
    let headers = request["headers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair["key"].as_str()?.to_ascii_lowercase(), pair["value"].as_str()?.to_owned())));
    let headers: BTreeMap<String, String> = headers.collect();
    if headers.get("x-goog-cloud-target-resource").map(String::as_str) != Some(PROVIDER) {
        return Err("the request is not bound to this provider".to_owned());
    }
    let signed = Signed {
        method: request["method"].as_str().unwrap_or_default(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers,
        body: request["body"].as_str().unwrap_or_default().as_bytes(),
        region: REGION,
        service: "sts",
    };
    if signed.method != "POST" {
        return Err(format!("the method is {}", signed.method));
    }
    let names = signed.check()?;
    for name in ["host", "x-amz-date", "x-amz-security-token", "x-goog-cloud-target-resource"] {
        if !names.iter().any(|signed| signed == name) {
            return Err(format!("{name} is not signed"));
        }
    }
    Ok(())
}

async fn generate(
    State(stand_in): State<GoogleStandIn>,
    axum::extract::Path(call): axum::extract::Path<String>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if bearer != format!("Bearer {FEDERATED}") {
        return stand_in.refuse("the federated token is not shown".to_owned());
    }
    if call != "caller@project.iam.gserviceaccount.com:generateIdToken" {
        return stand_in.refuse(format!("the call is {call}"));
    }
    if request["includeEmail"] != true {
        return stand_in.refuse("the email is not asked for".to_owned());
    }
    let mut shared = stand_in.shared();
    let status = StatusCode::from_u16(shared.status).expect("a status");
    if status != StatusCode::OK {
        let problem = json!({ "error": { "code": shared.status, "message": "played", "status": "PERMISSION_DENIED" } });
        return (status, Json(problem)).into_response();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let claims = json!({
        "aud": request["audience"], "iss": "https://accounts.google.com", "exp": now + shared.valid,
        "email": "caller@project.iam.gserviceaccount.com", "email_verified": true, "jti": shared.given.len(),
    });
    let part = |json: Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let token = format!("{}.{}.c2lnbmF0dXJl", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    shared.given.push(token.clone());
    Json(json!({ "token": token })).into_response()
}
