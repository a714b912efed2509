//! An object store over HTTP in this process: the S3 and GCS dialects, one lock, a request log, and
//! faults.
//!
//! The one lock makes conditional writes linearizable. No emulator that can be installed everywhere
//! guarantees that.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallybook::Settings;

/// A fault that a request can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The request is not done, and the answer is 503.
    UnavailableBefore,
    /// The request is done, but the answer is 503.
    UnavailableAfter,
    /// The request is not done, and the connection is cut.
    ResetBefore,
    /// The request is done, and the connection is cut before the answer.
    ResetAfter,
    /// The connection is cut after half of the body.
    Truncate,
    /// There is never an answer.
    Hang,
    /// The answer is delayed.
    Slow,
    /// The answer to this request and to the next requests is 503.
    Throttle,
    /// A write is not done, and the answer is 409, as if another write were in progress.
    Conflict,
    /// The answer to a read is 404, although the object exists.
    Missing,
    /// The answer has the object with the tag of another version.
    WrongTag,
}

impl Fault {
    /// The faults that a retry can overcome.
    pub(crate) const ALL: [Self; 10] = [
        Self::UnavailableBefore,
        Self::UnavailableAfter,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Truncate,
        Self::Slow,
        Self::Throttle,
        Self::Conflict,
        Self::Missing,
        Self::WrongTag,
    ];

    /// Whether the request can have this fault.
    fn fits(self, request: &Request) -> bool {
        let of_object = request.path.trim_matches('/').contains('/');
        match self {
            Self::Truncate => request.method == "GET",
            Self::Missing | Self::WrongTag => request.method == "GET" && of_object,
            Self::Conflict => request.method == "PUT",
            _ => true,
        }
    }
}

/// The delay of a slow answer.
const SLOW: Duration = Duration::from_millis(40);

/// The number of requests that are throttled after a throttled request.
const THROTTLED: usize = 4;

/// An object's bytes and its version.
type Object = (Vec<u8>, Version);

/// An object's generation, and the time of its write.
type Version = (u64, DateTime<Utc>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    generation: u64,
    log: Vec<(String, String)>,
    answered: Vec<Answered>,
    delay: Duration,
    faults: Option<Choose>,
    /// The number of injected faults of each kind.
    met: BTreeMap<Fault, u64>,
    throttled: usize,
    overwrites: bool,
    /// The number of keys on a page of a listing. Few by default, so that every listing has pages.
    page_keys: Option<usize>,
    gone_when_read: Option<String>,
}

/// A request, and the times of its start and end.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) path: String,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// Chooses the fault of a request.
type Choose = Box<dyn FnMut(&Request) -> Option<Fault> + Send>;

impl State {
    /// The fault of the request, if any.
    fn fault_of(&mut self, request: &Request) -> Option<Fault> {
        let choose = self.faults.as_mut()?;
        let fault = if self.throttled > 0 {
            self.throttled -= 1;
            Fault::Throttle
        } else {
            let fault = choose(request)?;
            if fault == Fault::Throttle {
                self.throttled = THROTTLED;
            }
            if fault.fits(request) { fault } else { Fault::UnavailableBefore }
        };
        *self.met.entry(fault).or_default() += 1;
        Some(fault)
    }
}

/// A running store with one bucket, `bucket`.
#[derive(Clone)]
pub(crate) struct FakeStore {
    address: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl FakeStore {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let store = Self { address, state: Arc::default() };
        let serving = store.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let store = serving.clone();
                std::thread::spawn(move || store.serve(&stream));
            }
        });
        store
    }

    /// The environment variables that make the program use this store, in either dialect.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let account = format!(
            "{{\"gcs_base_url\":\"{}\",\"disable_oauth\":true,\"client_email\":\"\",\
             \"private_key\":\"\",\"private_key_id\":\"\"}}",
            self.address
        );
        [
            ("AWS_ENDPOINT", self.address.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", &account),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    pub(crate) fn settings(&self) -> Settings {
        let options = self.environment();
        let options = options.into_iter().map(|(name, value)| (name.to_lowercase(), value));
        Settings { store_options: options.collect(), retry_timeout_s: 5, ..Settings::default() }
    }

    /// From now on, each request of `method` has one of the faults `kinds`, with the probability
    /// `share`.
    pub(crate) fn break_some(&self, method: &'static str, kinds: &[Fault], share: f64, seed: u64) {
        let mut some = some_of(kinds, share, seed);
        self.plan(move |request| (request.method == method).then(&mut some)?);
    }

    /// From now on, each request has a fault of any kind, with the probability `share`.
    pub(crate) fn break_any(&self, share: f64, seed: u64) {
        let mut some = some_of(&Fault::ALL, share, seed);
        self.plan(move |_| some());
    }

    /// The number of injected faults of each kind.
    pub(crate) fn faults_met(&self) -> BTreeMap<Fault, u64> {
        self.state.lock().unwrap().met.clone()
    }

    /// The `nth` request of `method` from now, counted from 0, has the fault, and so have all later
    /// requests of `method`.
    pub(crate) fn break_from(&self, method: &'static str, nth: usize, fault: Fault) {
        let mut seen = 0;
        self.plan(move |request| {
            seen += usize::from(request.method == method);
            (request.method == method && seen > nth).then_some(fault)
        });
    }

    /// The next write of an object whose key contains `part` is done, but the answer is 503. From
    /// then on, reads of such objects fail.
    pub(crate) fn lose_sight_of(&self, part: &str) {
        let (part, mut written) = (part.to_owned(), false);
        self.plan(move |request| match request.method.as_str() {
            "PUT" if request.path.contains(&part) && !written => {
                written = true;
                Some(Fault::UnavailableAfter)
            }
            "GET" | "HEAD" if request.path.contains(&part) && written => {
                Some(Fault::UnavailableBefore)
            }
            _ => None,
        });
    }

    fn plan(&self, choose: impl FnMut(&Request) -> Option<Fault> + Send + 'static) {
        self.state.lock().unwrap().faults = Some(Box::new(choose));
    }

    pub(crate) fn mend(&self) {
        let mut state = self.state.lock().unwrap();
        (state.faults, state.throttled) = (None, 0);
    }

    /// From now on, the store ignores conditions on writes, as some stores do.
    pub(crate) fn ignore_conditions(&self) {
        self.state.lock().unwrap().overwrites = true;
    }

    /// From now on, a page of a listing has this many keys. Real stores have 1000.
    pub(crate) fn page_by(&self, keys: usize) {
        self.state.lock().unwrap().page_keys = Some(keys);
    }

    /// The next object that is read, and whose key contains `part`, is deleted right before the
    /// read.
    pub(crate) fn remove_when_read(&self, part: &str) {
        self.state.lock().unwrap().gone_when_read = Some(part.to_owned());
    }

    /// From now on, each request takes this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// The requests that were answered since the last call.
    pub(crate) fn take_answered(&self) -> Vec<Answered> {
        std::mem::take(&mut self.state.lock().unwrap().answered)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// Stores an object, whatever its key.
    pub(crate) fn put(&self, key: &str, body: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.generation += 1;
        let version = (state.generation, Utc::now());
        state.objects.insert(key.to_owned(), (body.to_vec(), version));
    }

    /// The object at that key.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().objects.get(key).map(|(body, _)| body.clone())
    }

    pub(crate) fn remove(&self, key: &str) {
        self.state.lock().unwrap().objects.remove(key);
    }

    /// The methods and paths of all requests so far.
    pub(crate) fn log(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().log.clone()
    }

    fn serve(&self, stream: &TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader) {
            let fault = {
                let mut state = self.state.lock().unwrap();
                state.log.push((request.method.clone(), request.path.clone()));
                state.fault_of(&request)
            };
            match fault {
                Some(Fault::Hang) => loop {
                    std::thread::sleep(Duration::from_hours(1));
                },
                Some(Fault::ResetBefore) => {
                    drop(stream.shutdown(Shutdown::Both));
                    return;
                }
                Some(Fault::UnavailableBefore | Fault::Throttle) => {
                    write_response(stream, &request, &unavailable(), usize::MAX);
                    continue;
                }
                Some(Fault::Conflict) => {
                    let answer = error(409, "ConditionalRequestConflict");
                    write_response(stream, &request, &answer, usize::MAX);
                    continue;
                }
                Some(Fault::Missing) => {
                    write_response(stream, &request, &error(404, "NoSuchKey"), usize::MAX);
                    continue;
                }
                Some(Fault::Slow) => std::thread::sleep(SLOW),
                _ => {}
            }
            let from = Instant::now();
            let delay = self.state.lock().unwrap().delay;
            std::thread::sleep(delay);
            let mut response = self.answer(&request);
            if fault == Some(Fault::WrongTag) {
                response.headers.retain(|(name, _)| name != "ETag" && name != "x-goog-generation");
                response.headers.extend(object_headers((u64::MAX, Utc::now())));
            }
            let (path, to) = (request.path.clone(), Instant::now());
            self.state.lock().unwrap().answered.push(Answered { path, from, to });
            let cut = match fault {
                Some(Fault::ResetAfter) => 0,
                Some(Fault::Truncate) if response.body.len() > 1 => response.body.len() / 2,
                _ => usize::MAX,
            };
            if fault == Some(Fault::ResetAfter) {
                drop(stream.shutdown(Shutdown::Both));
                return;
            }
            let response =
                if fault == Some(Fault::UnavailableAfter) { unavailable() } else { response };
            write_response(stream, &request, &response, cut);
            if cut < usize::MAX {
                drop(stream.shutdown(Shutdown::Both));
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let path = request.path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != "bucket" {
            return error(404, "NoSuchBucket");
        }
        let mut state = self.state.lock().unwrap();
        if request.query.contains_key("delete") {
            return delete_many(&mut state, &String::from_utf8_lossy(&request.body));
        }
        if key.is_empty() {
            return list(&state, &request.query);
        }
        if request.method == "GET"
            && state.gone_when_read.take_if(|part| key.contains(part.as_str())).is_some()
        {
            state.objects.remove(key);
        }
        match request.method.as_str() {
            "PUT" => put(&mut state, key, request),
            "GET" | "HEAD" => match state.objects.get(key) {
                None => error(404, "NoSuchKey"),
                Some((body, version)) => get(body, *version, request),
            },
            "DELETE" => {
                state.objects.remove(key);
                Response { status: 204, headers: vec![], body: vec![] }
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }
}

/// Gives one of these faults with the probability `share`.
fn some_of(kinds: &[Fault], share: f64, seed: u64) -> impl FnMut() -> Option<Fault> + use<> {
    let kinds = kinds.to_vec();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    move || random.random_bool(share).then(|| kinds[random.random_range(0..kinds.len())])
}

fn put(state: &mut State, key: &str, request: &Request) -> Response {
    let taken = state.objects.contains_key(key);
    let conditional = request.headers.get("if-none-match").is_some_and(|value| value == "*")
        || request.headers.get("x-goog-if-generation-match").is_some_and(|value| value == "0");
    if conditional && taken && !state.overwrites {
        return error(412, "PreconditionFailed");
    }
    state.generation += 1;
    let version = (state.generation, Utc::now());
    state.objects.insert(key.to_owned(), (request.body.clone(), version));
    Response { status: 200, headers: object_headers(version), body: vec![] }
}

fn delete_many(state: &mut State, asked: &str) -> Response {
    let mut body = String::from("<?xml version=\"1.0\"?><DeleteResult>");
    for key in asked.split("<Key>").skip(1) {
        let key = key.split("</Key>").next().unwrap();
        state.objects.remove(key);
        body += &format!("<Deleted><Key>{key}</Key></Deleted>");
    }
    body += "</DeleteResult>";
    Response { status: 200, headers: vec![], body: body.into_bytes() }
}

fn get(body: &[u8], version: Version, request: &Request) -> Response {
    let mut headers = object_headers(version);
    let Some(range) = request.headers.get("range") else {
        return Response { status: 200, headers, body: body.to_vec() };
    };
    let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let (start, end) = match (start.parse::<usize>(), end.parse::<usize>()) {
        (Ok(start), Ok(end)) => (start, (end + 1).min(body.len())),
        (Ok(start), Err(_)) => (start, body.len()),
        (Err(_), Ok(last)) => (body.len().saturating_sub(last), body.len()),
        _ => return error(400, "InvalidRange"),
    };
    if start >= body.len() {
        return error(416, "InvalidRange");
    }
    let shown = format!("bytes {start}-{}/{}", end - 1, body.len());
    headers.push(("Content-Range".to_owned(), shown));
    Response { status: 206, headers, body: body[start..end].to_vec() }
}

fn object_headers((generation, written): Version) -> Vec<(String, String)> {
    [
        ("ETag", format!("\"{generation}\"")),
        ("x-goog-generation", generation.to_string()),
        ("Last-Modified", written.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn list(state: &State, query: &BTreeMap<String, String>) -> Response {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("continuation-token").or_else(|| query.get("start-after"));
    let after = after.map_or("", String::as_str);
    // With a delimiter, the common prefix of the keys up to the delimiter; `None` for a key without
    // one.
    let entry = |key: &str| {
        let delimiter = query.get("delimiter")?;
        let (folder, _) = key[prefix.len()..].split_once(delimiter.as_str())?;
        Some(format!("{prefix}{folder}{delimiter}"))
    };
    let keys = state.objects.range(prefix.to_owned()..);
    let keys = keys.take_while(|(key, _)| key.starts_with(prefix));
    let mut page: Vec<(String, Option<&Object>)> = Vec::new();
    let mut more = false;
    for (key, object) in keys {
        let folder = entry(key);
        let object = folder.is_none().then_some(object);
        let name = folder.unwrap_or_else(|| key.clone());
        if name.as_str() <= after || page.last().is_some_and(|(last, _)| *last == name) {
            continue;
        }
        if page.len() == state.page_keys.unwrap_or(7) {
            more = true;
            break;
        }
        page.push((name, object));
    }
    let mut body = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (name, object) in &page {
        body += &match object {
            None => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            Some((bytes, (generation, written))) => format!(
                "<Contents><Key>{name}</Key><LastModified>{}</LastModified>\
                 <ETag>\"{generation}\"</ETag><Size>{}</Size></Contents>",
                written.format("%Y-%m-%dT%H:%M:%S.000Z"),
                bytes.len()
            ),
        };
    }
    if more {
        let (last, _) = page.last().unwrap();
        body += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    body += &format!("<IsTruncated>{more}</IsTruncated></ListBucketResult>");
    Response { status: 200, headers: vec![], body: body.into_bytes() }
}

fn error(status: u16, code: &str) -> Response {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    Response { status, headers: vec![], body: body.into_bytes() }
}

fn unavailable() -> Response {
    error(503, "SlowDown")
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let url = url::Url::parse(&format!("http://host{target}")).ok()?;
    let query = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let path = unescape(url.path());
    Some(Request { method, path, query, headers, body })
}

fn unescape(path: &str) -> String {
    let mut parts = path.split('%');
    let mut plain = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        plain.push(u8::from_str_radix(&part[..2], 16).unwrap());
        plain.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(plain).unwrap()
}

fn write_response(mut stream: &TcpStream, request: &Request, response: &Response, cut: usize) {
    let mut head = format!("HTTP/1.1 {} X\r\n", response.status);
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", response.body.len());
    drop(stream.write_all(head.as_bytes()));
    if request.method != "HEAD" {
        drop(stream.write_all(&response.body[..response.body.len().min(cut)]));
    }
    drop(stream.flush());
}
