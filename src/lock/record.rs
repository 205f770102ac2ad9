//! The record: the JSON inside a lock file.
//!
//! OpenClaw's JavaScript locks read `pid`, `createdAt` and `starttime` and ignore the rest, so a
//! native record is one of theirs plus a `leasehold` object. `createdAt` comes first: its value
//! always stands at [`CREATED_AT`], so the heartbeat can renew it in place, and a beat that comes too
//! late writes a timestamp over a timestamp, whoever owns the file by then. The token follows at [`TOKEN`].

mod date;
mod form;
mod javascript;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use date::ISO_LEN;
pub use date::{iso, iso_bytes, parse_iso};

use super::identity::Identity;
use super::stamp::Stamp;
use super::terms::{LEASE_DEFAULT, LEASE_MAX, LEASE_MIN, Sharing};

/// Where the value of `createdAt` stands in every native record.
pub const CREATED_AT: usize = b"{\n  \"createdAt\": \"".len();

/// Where the digits of the token stand in every native record.
pub const TOKEN: usize = CREATED_AT + ISO_LEN + b"\",\n  \"leasehold\": {\n    \"token\": \"".len();

/// Lock files longer than this are nobody's record, and are replaced rather than padded.
pub const MAX_LEN: usize = 16 * 1024;

/// Few records are longer, unless they have a label.
const USUAL_LEN: usize = 640;

/// The version of the protocol that native records speak.
const PROTOCOL: u32 = 1;

/// How much the token grows at least when a lock that nobody released is taken over. The tokens in between
/// belong to the old owner's process, which may hand them out without writing them down first.
///
/// A millisecond's worth: so little that a token never runs ahead of the clock for longer than it takes
/// to notice that an owner died.
pub const TOKEN_STRIDE: u64 = 1 << 20;

/// No honest token is larger: a clock that showed it would be two centuries ahead. A forged one must
/// not use up the numbers that later owners need.
const TOKEN_MAX: u64 = 8_000_000_000_000_000_000;

/// A record that a leasehold process wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeRecord {
    /// When the record was last renewed; what JS peers measure a lock's age by.
    pub created_at: String,
    /// What only native peers read.
    pub leasehold: NativePart,
    /// The owning process.
    pub pid: u32,
    /// When that process started, in clock ticks since boot on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starttime: Option<u64>,
}

/// The part of a native record that JS peers ignore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NativePart {
    /// The fencing token of the owner on disk, in decimal: no JavaScript number can hold it exactly.
    #[serde(with = "decimal")]
    pub token: u64,
    /// The protocol version.
    pub protocol: u32,
    /// Whether anybody holds the lock: `false` after a release that kept the file.
    pub held: bool,
    /// Whether the owner holds an operating-system lock; `false` where it could not get one.
    pub os_lock: bool,
    /// When the lock was really acquired.
    pub acquired_at: String,
    /// How long the lease lasts without a beat, in milliseconds.
    pub lease_ms: u64,
    /// How long the owner means to hold at most, in milliseconds; absent for "no limit". Not at the
    /// top level, where some OpenClaw versions find it and refuse to wait for an owner that exceeded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hold_ms: Option<u64>,
    /// The time between beats, in milliseconds.
    pub beat_ms: u64,
    /// The owner's host name.
    pub host: Arc<str>,
    /// The owner's machine id, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<Arc<str>>,
    /// The owner's boot of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<Arc<str>>,
    /// The namespace in which the pid counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
    /// What the caller named the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

mod decimal {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What the owner says about its lease. Many leases usually share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How long the lease lasts without a beat.
    pub lease: Duration,
    /// How long it may be held at most; `None` for no limit.
    pub max_hold: Option<Duration>,
    /// What the caller named the work.
    pub label: Option<String>,
    /// With whom the lease may be shared. This alone is not in the record: it matters to this process only.
    pub sharing: Sharing,
}

/// A lease of the default length, without a limit.
impl Default for Claim {
    fn default() -> Self {
        Self { lease: LEASE_DEFAULT, max_hold: None, label: None, sharing: Sharing::default() }
    }
}

/// The record of a lock of ours. What is the same in all of them, or easily derived, is only added when the record is
/// written: ten thousand locks may be held.
#[derive(Clone, Debug)]
pub struct OwnRecord {
    /// The fencing token of the owner on disk.
    pub token: u64,
    /// Whether anybody holds the lock: `false` after a release that kept the file.
    pub held: bool,
    /// Whether an operating-system lock backs it.
    pub os_lock: bool,
    /// When the lock was acquired.
    pub(super) acquired_at: Stamp,
    /// What the owner says about its lease.
    pub claim: Arc<Claim>,
}

impl OwnRecord {
    /// A record that says "this process, from now on".
    #[must_use]
    pub fn new(claim: &Arc<Claim>, token: u64, os_lock: bool, now: SystemTime) -> Self {
        Self { token, held: true, os_lock, acquired_at: now.into(), claim: claim.clone() }
    }

    /// When the lock was acquired.
    #[must_use]
    pub fn acquired_at(&self) -> SystemTime {
        self.acquired_at.into()
    }

    /// The whole record, renewed at `created_at`.
    #[must_use]
    pub fn renewed_at(&self, created_at: SystemTime) -> NativeRecord {
        NativeRecord::new(Identity::of_this_process(), self, created_at)
    }

    /// The bytes of the record, renewed at `created_at`, to be written over `old_len` bytes.
    #[must_use]
    pub fn render(&self, created_at: SystemTime, old_len: usize) -> Vec<u8> {
        let mut bytes = form::render(self, created_at);
        pad(&mut bytes, old_len);
        bytes
    }
}

/// Pads a record with spaces to at least `len` bytes, so that it covers a longer one it is written over.
fn pad(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        // Nearly as long already, and usually as long as its memory.
        bytes.reserve_exact(len - bytes.len());
        bytes.pop();
        bytes.resize(len - 1, b' ');
        bytes.push(b'\n');
    }
}

impl NativeRecord {
    /// The record that `identity` writes about its lock at `created_at`.
    #[must_use]
    pub fn new(identity: &Identity, own: &OwnRecord, created_at: SystemTime) -> Self {
        Self {
            created_at: iso(created_at),
            leasehold: NativePart {
                token: own.token,
                protocol: PROTOCOL,
                held: own.held,
                os_lock: own.os_lock,
                acquired_at: iso(own.acquired_at()),
                lease_ms: millis(own.claim.lease),
                max_hold_ms: own.claim.max_hold.map(millis),
                beat_ms: millis(beat_interval(own.claim.lease)),
                host: identity.host.clone(),
                machine_id: identity.machine_id.clone(),
                boot_id: identity.boot_id.clone(),
                pid_namespace: identity.pid_namespace,
                label: own.claim.label.clone(),
            },
            pid: identity.pid,
            starttime: identity.start,
        }
    }

    #[expect(clippy::missing_panics_doc, reason = "a record is plain data, which always serialises")]
    /// The bytes of the record, padded with spaces to at least `min_len`, so that it covers a
    /// longer one it is written over.
    #[must_use]
    pub fn render(&self, min_len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(min_len.max(USUAL_LEN));
        serde_json::to_writer_pretty(&mut bytes, self).expect("a record is plain data");
        bytes.push(b'\n');
        pad(&mut bytes, min_len);
        bytes
    }

    /// The lease the owner asked for, clamped to what an owner may ask for.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.leasehold.lease_ms).clamp(LEASE_MIN, LEASE_MAX)
    }

    /// How long the lease must have been watched without a beat before it counts as frozen.
    #[must_use]
    pub fn expiry(&self) -> Duration {
        self.lease() + 2 * Duration::from_millis(self.leasehold.beat_ms).min(self.lease())
    }
}

/// The time between two beats of a lease: two seconds, or a third of the lease if that is shorter.
#[must_use]
pub fn beat_interval(lease: Duration) -> Duration {
    (lease / 3).min(Duration::from_secs(2))
}

/// A record that is not native: everything in it is optional, and believed only after a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsRecord {
    /// The owning process; `None` when missing or not a positive integer.
    pub pid: Option<u32>,
    /// When the owner says it created the lock; `None` when missing or not a date.
    pub created_at: Option<SystemTime>,
    /// The same in the owner's words, date or not; `None` when missing or not a string.
    pub created_text: Option<String>,
    /// When that process started, in clock ticks since boot.
    pub start: Option<u64>,
}

/// What was found in a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A leasehold process wrote it.
    Native(Box<NativeRecord>),
    /// A JS peer wrote it.
    Js(JsRecord),
    /// Nothing, or nothing that can be parsed: left by a peer between creating and writing, by a
    /// crashed one, or in a file that is no lock at all.
    Unreadable,
}

impl Contents {
    /// Parses the bytes of a lock file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let is_native = |record: &NativeRecord| record.leasehold.token <= TOKEN_MAX;
        // serde would take an array for a record, too.
        let first = bytes.iter().find(|byte| !b" \t\r\n".contains(byte));
        if first != Some(&b'{') {
            return Self::Unreadable;
        }
        if let Ok(native) = serde_json::from_slice::<NativeRecord>(bytes)
            && is_native(&native)
        {
            return Self::Native(Box::new(native));
        }
        serde_json::from_slice(bytes).map_or(Self::Unreadable, Self::Js)
    }

    /// The token in it, zero if there is none.
    #[must_use]
    pub fn token(&self) -> u64 {
        match self {
            Self::Native(record) => record.leasehold.token,
            Self::Js(_) | Self::Unreadable => 0,
        }
    }
}

/// A token for an owner that follows one whose record says `previous`: the wall clock in nanoseconds,
/// and in any case more than anything the previous owner can have handed out.
#[must_use]
pub fn next_token(previous: u64, now: SystemTime) -> u64 {
    clock_token(now).max(previous.saturating_add(TOKEN_STRIDE))
}

/// A token for an owner that follows one which released the lock with `previous`: the wall clock, unless
/// that was set back since.
#[must_use]
pub fn token_after_release(previous: u64, now: SystemTime) -> u64 {
    let clock = clock_token(now);
    if clock > previous { clock } else { next_token(previous, now) }
}

/// The wall clock as a token.
#[must_use]
pub fn clock_token(now: SystemTime) -> u64 {
    let clock = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    u64::try_from(clock).unwrap_or(u64::MAX)
}

/// Whole milliseconds, as records carry them.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(label: Option<&str>) -> NativeRecord {
        let label = label.map(ToOwned::to_owned);
        let claim = Arc::new(Claim { max_hold: Some(Duration::from_mins(5)), label, ..Claim::default() });
        OwnRecord::new(&claim, 7, true, SystemTime::now()).renewed_at(SystemTime::now())
    }

    #[test]
    fn the_date_and_the_token_stand_at_their_fixed_places() {
        for label in [None, Some("a \"label\" with\nthings in it")] {
            let record = record(label);
            let bytes = record.render(0);
            assert!(bytes[CREATED_AT..].starts_with(record.created_at.as_bytes()));
            assert!(bytes[TOKEN..].starts_with(b"7\""));
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written_however_padded() {
        let record = record(Some("x"));
        for min_len in [0, 10, 4000] {
            let bytes = record.render(min_len);
            assert!(bytes.len() >= min_len);
            assert_eq!(Contents::parse(&bytes), Contents::Native(Box::new(record.clone())));
        }
    }

    #[test]
    fn a_list_of_a_records_values_is_no_record_and_space_before_one_does_not_matter() {
        let list = b"[\"now\",[\"7\",1,true,true,\"now\",30000,null,2000,\"host\",null,null,null,null],12,7]";
        assert_eq!(Contents::parse(list), Contents::Unreadable);
        let record = record(None);
        let bytes = [b" ", &record.render(0)[..]].concat();
        assert_eq!(Contents::parse(&bytes), Contents::Native(Box::new(record)));
    }

    #[test]
    fn js_records_keep_only_what_makes_sense() {
        let parse = |text: &str| Contents::parse(text.as_bytes());
        assert_eq!(parse(""), Contents::Unreadable);
        assert_eq!(parse("[]"), Contents::Unreadable);
        assert_eq!(parse("{\"pid\":"), Contents::Unreadable);
        assert_eq!(parse("{}"), Contents::Js(JsRecord::default()));
        let soon = JsRecord { created_text: Some("soon".into()), ..JsRecord::default() };
        assert_eq!(parse("{\"pid\":-4,\"createdAt\":\"soon\"}"), Contents::Js(soon));
        assert_eq!(parse("{\"pid\":99999999999999}"), Contents::Js(JsRecord::default()));
        let strange = "{\"pid\":1.5,\"createdAt\":[1,{\"a\":null}],\"starttime\":true,\"more\":{\"x\":-1}}";
        assert_eq!(parse(strange), Contents::Js(JsRecord::default()));
        assert_eq!(parse("{\"pid\":7,\"pid\":null}"), Contents::Js(JsRecord::default()));
        assert_eq!(parse("{\"pid\":7} 8"), Contents::Unreadable);
        let full = parse("{\"pid\":12,\"createdAt\":\"1970-01-01T00:00:01.500Z\",\"starttime\":77}");
        let expected = JsRecord {
            pid: Some(12),
            created_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)),
            created_text: Some("1970-01-01T00:00:01.500Z".into()),
            start: Some(77),
        };
        assert_eq!(full, Contents::Js(expected));
    }

    #[test]
    fn a_damaged_native_part_leaves_a_js_record() {
        let text = b"{\"pid\":12,\"leasehold\":{\"token\":-1}}";
        assert_eq!(Contents::parse(text), Contents::Js(JsRecord { pid: Some(12), ..JsRecord::default() }));
    }

    #[test]
    fn tokens_grow_whatever_the_clock_does() {
        let now = SystemTime::now();
        let first = next_token(0, now);
        assert!(next_token(first, SystemTime::UNIX_EPOCH) >= first + TOKEN_STRIDE);
        assert!(next_token(u64::MAX, now) == u64::MAX);
    }
}
