//! Placeholders in the heads of requests.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::echo::{Echoes, find};
use super::{Armed, Injection};
use crate::egress::flight::Malformed;
use crate::egress::http::{Editor, Fault, Form, Head, Misuse, field, lines};
use crate::egress::rules::Target;
use crate::policy::network::{Format, PlainPath};

/// Headers by which some servers take another method than the request's.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// For connections that are not inspected: no request on them may mention a placeholder.
pub(crate) fn guard(injection: &Arc<Injection>) -> Box<dyn Editor> {
    Box::new(Guard(Arc::clone(injection)))
}

#[derive(Debug)]
struct Guard(Arc<Injection>);

impl Editor for Guard {
    fn edit(&mut self, _: &Head, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut lines = lines(bytes);
        match lines.find_map(|line| self.0.mentioned(line)) {
            Some(armed) => Err(armed.misused(Misuse::Plain)),
            None => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// What the two directions of an inspected connection know of each other.
#[derive(Debug)]
pub(crate) struct Exchange {
    inner: Mutex<Inner>,
    echoes: Mutex<Echoes>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Of each request that waits for its answer: whether that has no body (HEAD).
    awaited: VecDeque<bool>,
    /// The credentials that were used.
    used: BTreeSet<String>,
}

impl Exchange {
    pub(crate) fn new(injection: &Injection) -> Arc<Self> {
        let mut echoes = Echoes::default();
        for Armed { secret, placeholder, .. } in &injection.credentials {
            echoes.add(secret.expose().as_bytes(), placeholder.as_bytes());
        }
        Arc::new(Self { inner: Mutex::default(), echoes: Mutex::new(echoes) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn echoes(&self) -> MutexGuard<'_, Echoes> {
        self.echoes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request waits for its answer.
    pub(super) fn awaits(&self) -> bool {
        !self.inner().awaited.is_empty()
    }

    /// An answer has begun; whether it is one without a body.
    pub(super) fn answered(&self) -> bool {
        self.inner().awaited.pop_front().unwrap_or(false)
    }

    /// The names of the credentials that were used.
    pub(crate) fn used(&self) -> Vec<String> {
        self.inner().used.iter().cloned().collect()
    }
}

/// For inspected connections: placeholders become secrets where they may.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) injection: Arc<Injection>,
    pub(crate) target: Target,
    pub(crate) port: u16,
    pub(crate) exchange: Arc<Exchange>,
}

impl Editor for Insert {
    fn edit(&mut self, head: &Head, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match head.form() {
            Form::Origin | Form::Asterisk => {}
            _ => return Err(Malformed::Target.into()),
        }
        if head.host().is_none() {
            return Err(Malformed::Host.into());
        }
        let mut lines = lines(bytes);
        let first = lines.next().ok_or(Malformed::Line)?;
        if let Some(armed) = self.injection.mentioned(first) {
            return Err(armed.misused(Misuse::Place));
        }
        let lines: Vec<&[u8]> = lines.collect();
        let fields = lines.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
        let request = Request { head, first, fields: &fields };
        let (filled, used) = self.filled(&lines, &request)?;
        // Nothing is put out of a request that is refused.
        put(out, &[first]);
        for ((line, (name, _)), new) in lines.iter().zip(&fields).zip(&filled) {
            match new {
                Some(new) => put(out, &[name.as_bytes(), b": ", new.as_bytes()]),
                // So that the answer is not compressed, and a secret in it is seen.
                None if !used.is_empty() && name.eq_ignore_ascii_case("accept-encoding") => {}
                None => put(out, &[line]),
            }
        }
        if !used.is_empty() {
            put(out, &[b"Accept-Encoding: identity"]);
        }
        put(out, &[]);
        let mut inner = self.exchange.inner();
        inner.used.extend(used);
        inner.awaited.push_back(head.method() == "HEAD");
        Ok(())
    }
}

/// A request, as far as it decides.
struct Request<'a> {
    head: &'a Head,
    first: &'a [u8],
    fields: &'a [(&'a str, &'a [u8])],
}

impl Request<'_> {
    fn path(&self) -> Option<&str> {
        let target = std::str::from_utf8(self.first).ok()?.split(' ').nth(1)?;
        PlainPath::of(target).map(PlainPath::as_str)
    }

    fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count()
    }
}

/// The new value of each field that has one.
type Filled = Vec<Option<Zeroizing<String>>>;

impl Insert {
    /// The values with secrets, and the names of their credentials.
    fn filled(
        &self,
        lines: &[&[u8]],
        request: &Request<'_>,
    ) -> Result<(Filled, BTreeSet<String>), Fault> {
        let (mut filled, mut used) = (Vec::new(), BTreeSet::new());
        for (line, (name, value)) in lines.iter().zip(request.fields) {
            let Some(armed) = self.injection.mentioned(line) else {
                filled.push(None);
                continue;
            };
            self.permit(armed, request, name).map_err(|how| armed.misused(how))?;
            let new = self.fill(armed, value).ok_or_else(|| armed.misused(Misuse::Format))?;
            filled.push(Some(new));
            used.insert(armed.credential.env().to_owned());
        }
        Ok((filled, used))
    }

    /// Whether a credential may go with this request, in this field.
    fn permit(&self, armed: &Armed, request: &Request<'_>, field: &str) -> Result<(), Misuse> {
        let credential = &armed.credential;
        if !credential.is_for(&self.target, self.port) {
            return Err(Misuse::Host);
        }
        let (method, methods) = (request.head.method(), credential.methods());
        let listed = || methods.iter().any(|known| known == method);
        let overridden = || OVERRIDES.iter().any(|name| request.count(name) > 0);
        // TRACE has a server send back what it got.
        if method == "TRACE" || (!methods.is_empty() && (!listed() || overridden())) {
            return Err(Misuse::Method);
        }
        let paths = credential.paths();
        let fits = |path: &str| paths.iter().any(|pattern| pattern.matches(path));
        if !paths.is_empty() && !request.path().is_some_and(fits) {
            return Err(Misuse::Path);
        }
        match field.eq_ignore_ascii_case(credential.header()) && request.count(field) == 1 {
            true => Ok(()),
            false => Err(Misuse::Place),
        }
    }

    /// The field's value with the secret, if it has one of the credential's formats.
    fn fill(&self, armed: &Armed, value: &[u8]) -> Option<Zeroizing<String>> {
        let value = std::str::from_utf8(value).ok()?;
        armed.credential.formats().iter().find_map(|format| match format {
            Format::Around { before, behind } => {
                let start = value.get(..before.len())?;
                let same = start.eq_ignore_ascii_case(before);
                let inner = value[before.len()..].strip_suffix(&**behind)?;
                let fits = same && inner == armed.placeholder;
                let secret = armed.secret.expose();
                fits.then(|| Zeroizing::new([start, secret, behind].concat()))
            }
            Format::Basic => self.fill_pair(armed, value),
        })
    }

    /// The same for a user and a password, one of which is the placeholder.
    fn fill_pair(&self, armed: &Armed, value: &str) -> Option<Zeroizing<String>> {
        let pair = decoded(value.as_bytes())?;
        let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        let (secret, is_it) = (armed.secret.expose(), |part: &str| part == armed.placeholder);
        let filled = match (is_it(user), is_it(password)) {
            (true, false) => [secret, ":", password].concat(),
            (false, true) => [user, ":", secret].concat(),
            _ => return None,
        };
        let filled = Zeroizing::new(BASE64_STANDARD.encode(Zeroizing::new(filled).as_bytes()));
        let sent = value.split_once(' ').map_or("", |(_, sent)| sent.trim());
        self.exchange.echoes().add(filled.as_bytes(), sent.as_bytes());
        Some(Zeroizing::new(["Basic ", &filled].concat()))
    }
}

impl Injection {
    /// The credential whose placeholder a line mentions, in the open or in a pair of Basic.
    fn mentioned(&self, line: &[u8]) -> Option<&Armed> {
        let pair = field(line).ok().and_then(|(_, value)| decoded(value));
        let mentions = |armed: &&Armed| {
            let wanted = armed.placeholder.as_bytes();
            let in_pair = || pair.as_ref().is_some_and(|pair| find(pair, wanted).is_some());
            find(line, wanted).is_some() || in_pair()
        };
        self.credentials.iter().find(mentions)
    }
}

impl Armed {
    fn misused(&self, how: Misuse) -> Fault {
        Fault::Misused { credential: self.credential.env().to_owned(), how }
    }
}

/// What a value of the scheme Basic holds.
fn decoded(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, pair) = value.split_once(' ')?;
    let basic = scheme.eq_ignore_ascii_case("basic");
    BASE64_STANDARD.decode(pair.trim()).ok().filter(|_| basic).map(Zeroizing::new)
}

/// Puts a line out that is made of these parts.
fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}
