//! Options from JavaScript: understood completely or refused before anything happens.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Env, Object, Unknown};
use napi::{Error, Result, Status, ValueType};

use crate::lock::record::Claim;
use crate::lock::terms::{Api, LEASE_DEFAULT, LEASE_MAX, LEASE_MIN, MAX_HOLD_DEFAULT};
use crate::lock::{Recovery, Sharing, Terms};

/// How long a request without any limit of its own waits.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// `stale` of `withFileLock` and `acquireFileLock`.
const STALE_DEFAULT: Duration = Duration::from_secs(30);
/// `staleMs` of `acquireSessionWriteLock`.
const SESSION_STALE_DEFAULT: Duration = Duration::from_mins(5);
/// Labels go into records and messages.
const LABEL_MAX: usize = 200;

/// The options of `withFileLock` and `acquireFileLock`, as JavaScript numbers them. It passes the number and value of
/// each one given: reading one by name from here would take as long as a short system call.
const FILE_OPTIONS: &[&str] = &[
    "retries",
    "stale",
    "staleRecovery",
    "reentrantOwner",
    "timeoutMs",
    "maxHoldMs",
    "leaseMs",
    "label",
    "keepLockFile",
];
/// Those of `acquireSessionWriteLock`.
const SESSION_OPTIONS: &[&str] = &["timeoutMs", "staleMs", "maxHoldMs", "allowReentrant", "leaseMs", "label"];

/// The options that were given: a number before each value.
pub type Given<'env> = Option<Vec<Unknown<'env>>>;

/// Reads the options of `withFileLock` and `acquireFileLock`.
///
/// # Errors
///
/// A pending JavaScript `TypeError` or `RangeError` that names the option.
pub fn file_terms(env: Env, options: Given<'_>) -> Result<Terms> {
    let defaults = Terms::default();
    let Some(given) = options else {
        return Ok(Terms { timeout: Some(TIMEOUT_DEFAULT), stale: STALE_DEFAULT, ..defaults });
    };
    let fields = Fields { env, name: "options", source: Source::given(FILE_OPTIONS, &given)? };
    let patience = match fields.retries()? {
        None => None,
        Some(retries) => patience(&retries)?,
    };
    let timeout = match (fields.limit("timeoutMs", Zero::Allowed)?, patience) {
        (None, None) => Some(TIMEOUT_DEFAULT),
        (Some(timeout), None) => timeout.finite(),
        (None, Some(patience)) => patience.finite(),
        (Some(timeout), Some(patience)) => timeout.min(patience).finite(),
    };
    let sharing = fields.text("reentrantOwner")?.map_or(Sharing::Chain, |owner| Sharing::Owner(owner.into()));
    let max_hold = fields.limit("maxHoldMs", Zero::Refused)?.map_or(Some(MAX_HOLD_DEFAULT), Limit::finite);
    Ok(Terms {
        api: Api::File,
        timeout,
        stale: fields
            .limit("stale", Zero::Allowed)?
            .map_or(STALE_DEFAULT, |limit| limit.finite().unwrap_or(Duration::MAX)),
        recovery: recovery(&fields)?,
        keep_file: fields.flag("keepLockFile")?.unwrap_or(false),
        claim: claim(&fields, max_hold, sharing)?,
        ..defaults
    })
}

/// Reads the parameters of `acquireSessionWriteLock`. Numbers that make no sense fall back to their defaults here:
/// OpenClaw's callers rely on it.
///
/// # Errors
///
/// As [`file_terms`].
pub fn session_terms(env: Env, options: Given<'_>) -> Result<Terms> {
    let defaults = Terms {
        api: Api::Session,
        timeout: Some(TIMEOUT_DEFAULT),
        stale: SESSION_STALE_DEFAULT,
        claim: Claim { max_hold: Some(MAX_HOLD_DEFAULT), sharing: Sharing::Process, ..Claim::default() }.into(),
        ..Terms::default()
    };
    let Some(given) = options else { return Ok(defaults) };
    let fields = Fields { env, name: "params", source: Source::given(SESSION_OPTIONS, &given)? };
    let timeout = match fields.positive("timeoutMs")? {
        Some(Limit::Infinite) => None,
        Some(Limit::After(timeout)) => Some(timeout),
        None => defaults.timeout,
    };
    let finite = |name| Ok::<_, Error>(fields.positive(name)?.and_then(Limit::finite));
    let stale = finite("staleMs")?.unwrap_or(defaults.stale);
    let max_hold = finite("maxHoldMs")?.unwrap_or(MAX_HOLD_DEFAULT);
    let sharing = if fields.flag("allowReentrant")?.unwrap_or(true) { Sharing::Process } else { Sharing::Nobody };
    Ok(Terms { timeout, stale, claim: claim(&fields, Some(max_hold), sharing)?, ..defaults })
}

fn claim(fields: &Fields<'_>, max_hold: Option<Duration>, sharing: Sharing) -> Result<Arc<Claim>> {
    Ok(Claim { lease: lease(fields)?, max_hold, label: label(fields)?, sharing }.into())
}

fn lease(fields: &Fields<'_>) -> Result<Duration> {
    match fields.limit("leaseMs", Zero::Refused)?.map(Limit::finite) {
        None => Ok(LEASE_DEFAULT),
        Some(Some(lease)) if (LEASE_MIN..=LEASE_MAX).contains(&lease) => Ok(lease),
        Some(_) => Err(fields.range_error(
            "leaseMs",
            &format!("must be between {} and {}", LEASE_MIN.as_millis(), LEASE_MAX.as_millis()),
        )),
    }
}

fn label(fields: &Fields<'_>) -> Result<Option<String>> {
    let label = fields.text("label")?;
    if label.as_ref().is_some_and(|label| label.chars().count() > LABEL_MAX) {
        return Err(fields.range_error("label", &format!("must have at most {LABEL_MAX} characters")));
    }
    Ok(label)
}

fn recovery(fields: &Fields<'_>) -> Result<Recovery> {
    match fields.text("staleRecovery")?.as_deref() {
        None | Some("remove-if-unchanged") => Ok(Recovery::RemoveIfUnchanged),
        Some("remove-if-definitely-stale") => Ok(Recovery::RemoveIfDefinitelyStale),
        Some("fail-closed") => Ok(Recovery::FailClosed),
        Some(_) => Err(fields.type_error(
            "staleRecovery",
            "must be \"fail-closed\", \"remove-if-unchanged\" or \"remove-if-definitely-stale\"",
        )),
    }
}

/// The longest a caller with these retries would have slept. `None` without a number of retries.
fn patience(retries: &Fields<'_>) -> Result<Option<Limit>> {
    let count = retries.number("retries")?;
    let milliseconds = |name, default: f64| {
        let value = retries.number(name)?.unwrap_or(default);
        if value.is_finite() && value >= 0.0 {
            Ok(value)
        } else {
            Err(retries.range_error(name, "must be a finite, non-negative number"))
        }
    };
    let factor = milliseconds("factor", 1.0)?;
    let shortest = milliseconds("minTimeout", 50.0)?;
    let longest = milliseconds("maxTimeout", shortest.max(1000.0))?;
    if shortest > longest {
        return Err(retries.range_error("minTimeout", "must not exceed maxTimeout"));
    }
    let randomize = retries.flag("randomize")?.unwrap_or(false);
    let Some(count) = count else { return Ok(None) };
    if !(0.0..=9_007_199_254_740_991.0).contains(&count) || count.fract() != 0.0 {
        return Err(retries.range_error("retries", "must be a non-negative whole number"));
    }
    Ok(Some(longest_wait(count, factor, shortest, longest, if randomize { 2.0 } else { 1.0 })))
}

/// How many gaps are added up one by one.
const COUNTED: f64 = 10_000.0;

/// The sum of all gaps, each as long as randomization can make it.
fn longest_wait(count: f64, factor: f64, shortest: f64, longest: f64, spread: f64) -> Limit {
    let mut gap = shortest;
    let mut sum = 0.0;
    let mut left = count;
    while left >= 1.0 {
        let this = (gap.max(shortest) * spread).round().min(longest);
        // From here on every gap is the same, or might as well be: no need to count a million of them.
        if this >= longest || factor <= 1.0 || count - left >= COUNTED {
            sum += this * left;
            break;
        }
        sum += this;
        gap *= factor;
        left -= 1.0;
    }
    Limit::from_millis(sum)
}

/// A length of time that may be infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    After(Duration),
    Infinite,
}

impl Limit {
    /// Anything above a thousand years is infinite, which keeps the arithmetic in range.
    fn from_millis(milliseconds: f64) -> Self {
        if milliseconds > 3.2e13 { Self::Infinite } else { Self::After(Duration::from_secs_f64(milliseconds / 1000.0)) }
    }

    fn finite(self) -> Option<Duration> {
        match self {
            Self::After(duration) => Some(duration),
            Self::Infinite => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Zero {
    Allowed,
    Refused,
}

/// The fields of an options object, with its name for error messages.
struct Fields<'env> {
    env: Env,
    name: &'static str,
    source: Source<'env>,
}

enum Source<'env> {
    /// Names and values.
    Given(Vec<(&'static str, Unknown<'env>)>),
    Object(Object<'env>),
}

impl<'env> Source<'env> {
    /// The options that were `given`, as numbers and values, named by `all`.
    fn given(all: &[&'static str], given: &[Unknown<'env>]) -> Result<Self> {
        let (pairs, _) = given.as_chunks();
        let name = |&[number, value]: &[Unknown<'env>; 2]| {
            // SAFETY: `lib/acquire.mjs` puts a number before each value.
            let number = unsafe { number.cast::<u32>() }?;
            Ok(all.get(number as usize).map(|name| (*name, value)))
        };
        pairs.iter().filter_map(|pair| name(pair).transpose()).collect::<Result<_>>().map(Self::Given)
    }
}

impl<'env> Fields<'env> {
    fn get(&self, name: &str) -> Result<Option<Unknown<'env>>> {
        match &self.source {
            Source::Given(given) => Ok(given.iter().find(|(each, _)| *each == name).map(|(_, value)| *value)),
            Source::Object(object) => object.get(name),
        }
    }

    /// The one option with options of its own.
    fn retries(&self) -> Result<Option<Self>> {
        let Some(value) = self.get("retries")? else { return Ok(None) };
        match value.get_type()? {
            ValueType::Undefined | ValueType::Null => Ok(None),
            ValueType::Object => {
                // SAFETY: the value was just seen to be an object.
                let object = unsafe { value.cast::<Object<'env>>() }?;
                Ok(Some(Self { env: self.env, name: "options.retries", source: Source::Object(object) }))
            }
            _ => Err(self.type_error("retries", "must be an object")),
        }
    }

    /// A field of the given type; `None` when it is absent, `undefined` or `null`.
    fn field<T: napi::bindgen_prelude::FromNapiValue>(
        &self,
        name: &str,
        kind: ValueType,
        what: &str,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        match value.get_type()? {
            ValueType::Undefined | ValueType::Null => Ok(None),
            // SAFETY: the value was just seen to be of the type that `T` stands for.
            found if found == kind => unsafe { value.cast() }.map(Some),
            _ => Err(self.type_error(name, &format!("must be {what}"))),
        }
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        self.field(name, ValueType::Number, "a number")
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        self.field(name, ValueType::String, "a string")
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.field(name, ValueType::Boolean, "a boolean")
    }

    /// A number of milliseconds, `Infinity` included.
    fn limit(&self, name: &str, zero: Zero) -> Result<Option<Limit>> {
        let Some(value) = self.number(name)? else { return Ok(None) };
        match zero {
            _ if value > 0.0 => Ok(Some(Limit::from_millis(value))),
            Zero::Allowed if value == 0.0 => Ok(Some(Limit::After(Duration::ZERO))),
            Zero::Allowed => Err(self.range_error(name, "must be a non-negative number")),
            Zero::Refused => Err(self.range_error(name, "must be a positive number")),
        }
    }

    /// A number of milliseconds where anything that makes no sense counts as absent.
    fn positive(&self, name: &str) -> Result<Option<Limit>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        if value.get_type()? != ValueType::Number {
            return Ok(None);
        }
        // SAFETY: the value was just seen to be a number.
        let value = unsafe { value.cast::<f64>() }?;
        Ok((value > 0.0).then(|| Limit::from_millis(value)))
    }

    fn type_error(&self, name: &str, problem: &str) -> Error {
        type_error(self.env, &format!("{}.{name} {problem}", self.name))
    }

    fn range_error(&self, name: &str, problem: &str) -> Error {
        let message = format!("{}.{name} {problem}", self.name);
        pending(self.env.throw_range_error(&message, Some("ERR_OUT_OF_RANGE")), message)
    }
}

/// A string from JavaScript: the parameter `name`.
///
/// # Errors
///
/// A pending `TypeError` if it is anything else.
pub fn text_of(env: Env, text: Unknown<'_>, name: &str) -> Result<String> {
    if text.get_type()? != ValueType::String {
        return Err(type_error(env, &format!("{name} must be a string")));
    }
    // SAFETY: the value was just seen to be a string.
    unsafe { text.cast() }
}

/// Throws a `TypeError`.
#[must_use]
pub fn type_error(env: Env, message: &str) -> Error {
    pending(env.throw_type_error(message, Some("ERR_INVALID_ARG_TYPE")), message.to_owned())
}

fn pending(thrown: Result<()>, message: String) -> Error {
    match thrown {
        Ok(()) => Error::new(Status::PendingException, message),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: f64, factor: f64, shortest: f64, longest: f64, spread: f64) -> Limit {
        longest_wait(count, factor, shortest, longest, spread)
    }

    #[test]
    fn retries_bound_the_wait_by_the_sum_of_their_gaps() {
        let seconds = |seconds: f64| Limit::After(Duration::from_secs_f64(seconds));
        assert_eq!(millis(0.0, 2.0, 100.0, 10_000.0, 1.0), seconds(0.0));
        assert_eq!(millis(3.0, 2.0, 100.0, 10_000.0, 1.0), seconds(0.7));
        assert_eq!(millis(9000.0, 1.0, 100.0, 100.0, 1.0), seconds(900.0));
        // OAuth: 100, 200, … 6400, 10000, 10000, 10000, each up to twice as long, none above 10 s.
        assert_eq!(millis(10.0, 2.0, 100.0, 10_000.0, 2.0), seconds(0.2 * 63.0 + 4.0 * 10.0));
    }

    #[test]
    fn absurd_retries_are_computed_at_once() {
        assert_eq!(millis(9e15, 1.0, 50.0, 1000.0, 1.0), Limit::Infinite);
        assert_eq!(millis(9e15, 1.000_1, 1.0, 1e300, 1.0), Limit::Infinite);
        assert_eq!(millis(9e15, 0.5, 0.0, 0.0, 1.0), Limit::After(Duration::ZERO));
        assert_eq!(millis(9e15, 2.0, 0.0, 1000.0, 1.0), Limit::After(Duration::ZERO), "nothing doubled is nothing");
        assert_eq!(millis(9e15, 1.000_000_000_1, 1.0, 1e300, 1.0), Limit::Infinite);
    }

    proptest::proptest! {
        #[test]
        fn no_retries_wait_longer_than_all_of_them_at_their_longest(
            count in 0_u32..2000,
            factor in 0.0_f64..4.0,
            shortest in 0.0_f64..1000.0,
            more in 0.0_f64..100_000.0,
            spread in 1.0_f64..2.0,
        ) {
            let (count, longest) = (f64::from(count), shortest + more);
            let least = count * shortest.floor();
            let most = count * longest;
            let Limit::After(wait) = millis(count, factor, shortest, longest, spread) else { panic!("it ends") };
            let wait = wait.as_secs_f64() * 1000.0;
            proptest::prop_assert!((least - 1.0..=most + 1.0).contains(&wait), "{wait} outside {least} to {most}");
        }
    }
}
