//! Renders a record by filling in the one rendered last.

use std::time::SystemTime;

use parking_lot::Mutex;

use super::date::{iso_bytes, put};
use super::{CREATED_AT, OwnRecord, TOKEN};

/// The bytes of `own`, renewed at `created_at`.
pub(super) fn render(own: &OwnRecord, created_at: SystemTime) -> Vec<u8> {
    // Not waited for: the process may be ending, and the thread that has it may never run again.
    let mut last = LAST[usize::from(own.held)].try_lock();
    let filled = last.as_ref().and_then(|last| last.as_ref()?.fill_in(own, created_at));
    filled.unwrap_or_else(|| {
        let bytes = own.renewed_at(created_at).render(0);
        if let Some(last) = &mut last {
            **last = Form::new(own, bytes.clone());
        }
        bytes
    })
}

/// The last record rendered for a lock that nobody holds, and for one that is held. The next one nearly always differs
/// in its dates and its token only, and filling these in takes a tenth of the time.
static LAST: [Mutex<Option<Form>>; 2] = [const { Mutex::new(None) }; 2];

struct Form {
    own: OwnRecord,
    bytes: Vec<u8>,
    token_len: usize,
    /// Where the date of `acquiredAt` stands.
    acquired_at: usize,
}

impl Form {
    /// A form made of the `bytes` of `own`.
    fn new(own: &OwnRecord, bytes: Vec<u8>) -> Option<Self> {
        const NAME: &[u8] = b"\"acquiredAt\": \"";
        let acquired_at = bytes.windows(NAME.len()).position(|there| there == NAME)? + NAME.len();
        Some(Self { own: own.clone(), bytes, token_len: digits(own.token), acquired_at })
    }

    /// The bytes of another record, if it has the same form.
    fn fill_in(&self, own: &OwnRecord, created_at: SystemTime) -> Option<Vec<u8>> {
        if (own.held, own.os_lock, &own.claim) != (self.own.held, self.own.os_lock, &self.own.claim)
            || digits(own.token) != self.token_len
        {
            return None;
        }
        let created = iso_bytes(created_at);
        let acquired = if created_at == own.acquired_at() { created } else { iso_bytes(own.acquired_at()) };
        let mut bytes = self.bytes.clone();
        for (at, date) in [(CREATED_AT, created), (self.acquired_at, acquired)] {
            bytes[at..at + date.len()].copy_from_slice(&date);
        }
        put(&mut bytes[TOKEN..TOKEN + self.token_len], own.token);
        Some(bytes)
    }
}

/// How many digits a number has.
fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lock::record::Claim;

    #[test]
    fn a_record_is_the_same_whatever_was_rendered_before_it() {
        let own = |label: Option<&str>, token, held, os_lock, seconds| {
            let claim = Claim { label: label.map(ToOwned::to_owned), ..Claim::default() }.into();
            let acquired_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            OwnRecord { held, ..OwnRecord::new(&claim, token, os_lock, acquired_at) }
        };
        let tricky = Some("\"acquiredAt\": \"2026");
        let records = [
            own(None, 7, true, true, 1),
            own(None, 8, true, true, 1_800_000_000),
            own(None, 10, true, true, 2),
            own(None, u64::MAX, true, true, 2),
            own(None, 11, false, true, 3),
            own(None, 11, true, false, 3),
            own(tricky, 11, true, true, 3),
            own(tricky, 12, true, true, 4),
            own(Some("other"), 12, true, true, 4),
        ];
        for (first, second) in records.iter().flat_map(|first| records.iter().map(move |second| (first, second))) {
            for (renewed_after, old_len) in [(0, 0), (86_400, 2000)] {
                let renewed_at = second.acquired_at() + Duration::from_secs(renewed_after);
                drop(first.render(renewed_at, 0));
                let whole = second.renewed_at(renewed_at).render(old_len);
                assert_eq!(second.render(renewed_at, old_len), whole, "{second:?} after {first:?}");
            }
        }
    }
}
