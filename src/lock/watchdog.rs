//! When a lease is due for a beat or a look, when it is suspected and when it is taken away: all its
//! clocks, and nothing but clocks.

use std::time::Duration;

use super::loss::LossReason;
use super::record::beat_interval;
use super::sys::Instant;

/// A lease held for less is not suspected of having lost its owner. It is also looked after for the
/// first time at this age: most leases are over by then.
const YOUNG: Duration = Duration::from_secs(1);
/// A waiter that has waited this long for a lease makes its holder look for lost owners.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// A waiter in another process shows itself at least this often.
const SHOWS_ITSELF: Duration = Duration::from_millis(2500);
/// The first pause between two requests to collect garbage; it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest such pause: a caller that waits for the default time (10 s) still sees two requests.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The least time between two beats of a lease, for each lease there is: ten thousand must not keep a core busy.
const SPARED: Duration = Duration::from_millis(2);

/// What the clocks of a lease are set by. Passed in on each call instead of being stored: the lease already has it, and
/// ten thousand may be held.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// When the lease began.
    pub began: Instant,
    /// How long it lasts without a beat.
    pub lease: Duration,
    /// How long it may be held at most.
    pub max_hold: Option<Duration>,
}

impl Term {
    /// When the beat after the one at `beaten` is due. In a crowd of leases beats come less often than they might, but
    /// always three times per lease.
    #[must_use]
    pub fn next_beat(self, beaten: Instant, crowd: usize) -> Instant {
        let spared = SPARED * u32::try_from(crowd).unwrap_or(u32::MAX);
        beaten + beat_interval(self.lease).max(spared.min(self.lease / 3))
    }

    /// When a lease that begins now, on a lock file whose last beat was at `beaten`, has to be looked after for the first
    /// time.
    #[must_use]
    pub fn first_due(self, beaten: Instant) -> Instant {
        Watchdog::default().next(self, self.next_beat(beaten, 1)).min(self.old_enough())
    }

    /// When the lease is taken away at the latest.
    fn limit(self) -> Option<Instant> {
        self.began.checked_add(self.max_hold?)
    }

    /// From when on its owner may be suspected.
    fn old_enough(self) -> Instant {
        self.began + YOUNG
    }

    /// Why the lease has to be taken away at `now`, if it has to.
    #[must_use]
    pub fn expired(self, now: Instant) -> Option<LossReason> {
        self.limit().filter(|limit| *limit <= now).map(|_| LossReason::MaxHold)
    }
}

/// The clocks of one lease that depend on who waits for it. Boxed because nobody waits for most leases, and ten thousand
/// may be held.
#[derive(Debug, Default)]
pub struct Watchdog(Option<Box<Wanted>>);

/// A lease that somebody waits for, or did.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Since when those who wait now have waited for it, and when they were last seen.
    first: Instant,
    last: Instant,
    /// When the holder may next be asked to collect garbage, and the pause after that.
    next_request: Instant,
    pause: Duration,
}

impl Watchdog {
    /// Notes whether somebody was just seen to wait, and since when. `Some` when it is time to suspect that the
    /// owner is lost: somebody has waited for a while, the lease is not young, and the last such suspicion is
    /// long enough ago. It then says how recent a garbage collection has to be that makes a new one unnecessary.
    pub fn suspects(&mut self, term: Term, now: Instant, waiting_since: Option<Instant>) -> Option<Duration> {
        self.0 = self.0.take().filter(|wanted| now.duration_since(wanted.last) < SHOWS_ITSELF);
        if let Some(since) = waiting_since {
            // A new waiter does not pay for what others have asked for in vain.
            let wanted = self.0.get_or_insert_with(|| Wanted::new(since, term.old_enough()).into());
            wanted.first = wanted.first.min(since);
            wanted.last = now;
        }
        self.0.as_mut()?.asks(now)
    }

    /// When the lease has to be looked after next, at `next_beat` or before.
    #[must_use]
    pub fn next(&self, term: Term, next_beat: Instant) -> Instant {
        let request_due = self.0.as_ref().map(|wanted| wanted.request_due());
        [term.limit(), request_due].into_iter().flatten().fold(next_beat, Instant::min)
    }
}

impl Wanted {
    fn new(since: Instant, old_enough: Instant) -> Self {
        Self { first: since, last: since, next_request: old_enough, pause: PAUSE_MIN }
    }

    fn request_due(&self) -> Instant {
        (self.first + PATIENCE).max(self.next_request)
    }

    /// `Some` when the holder is to be asked now, unless another lease had it asked within the time returned.
    fn asks(&mut self, now: Instant) -> Option<Duration> {
        if now < self.request_due() {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        self.next_request = now + pause;
        Some(pause / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LEASE: Duration = Duration::from_secs(30);
    const BEAT: Duration = Duration::from_secs(2);

    fn term(began: Instant) -> Term {
        Term { began, lease: LEASE, max_hold: None }
    }

    #[test]
    fn a_lease_is_looked_after_when_it_is_no_longer_young_and_beats_at_its_interval() {
        let began = Instant::now();
        let term = term(began);
        assert_eq!(term.first_due(began), began + SECOND);
        assert_eq!(term.next_beat(began, 1), began + BEAT);
        assert_eq!(Watchdog::default().next(term, began + BEAT), began + BEAT);
    }

    #[test]
    fn a_lock_file_that_is_handed_over_gets_its_next_beat_when_it_would_have() {
        let beaten = Instant::now();
        assert_eq!(term(beaten + BEAT / 4 * 3).first_due(beaten), beaten + BEAT);
    }

    #[test]
    fn a_crowd_of_leases_beats_less_often_but_three_times_per_lease() {
        let began = Instant::now();
        let brief = 3 * SECOND;
        for (lease, crowd, beat) in
            [(LEASE, 1000, BEAT), (LEASE, 3000, 3 * BEAT), (LEASE, 1_000_000, 5 * BEAT), (brief, 1_000_000, SECOND)]
        {
            let term = Term { lease, ..term(began) };
            assert_eq!(term.next_beat(began, crowd), began + beat, "{crowd}");
        }
    }

    #[test]
    fn the_longest_hold_is_a_limit() {
        let began = Instant::now();
        let term = term(began);
        let term = Term { max_hold: Some(SECOND), ..term };
        assert_eq!(Watchdog::default().next(term, began + BEAT), began + SECOND);
        assert_eq!(term.expired(began), None);
        assert_eq!(term.expired(began + SECOND), Some(LossReason::MaxHold));
    }

    #[test]
    fn owners_are_suspected_only_while_somebody_waits_and_ever_more_rarely() {
        let began = Instant::now();
        let term = term(began);
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let mut clocks = Watchdog::default();
        assert_eq!(clocks.suspects(term, at(5.0), None), None, "nobody waits");
        assert_eq!(clocks.suspects(term, at(6.0), Some(at(6.0))), None, "the waiter has only just come");
        assert!(clocks.suspects(term, at(6.5), None).is_some(), "it waited for a while");
        assert_eq!(clocks.suspects(term, at(7.0), Some(at(7.0))), None, "not again at once");
        assert!(clocks.suspects(term, at(7.5), Some(at(7.5))).is_some(), "after a second");
        assert_eq!(clocks.suspects(term, at(8.6), Some(at(8.6))), None, "and then two");
        assert!(clocks.suspects(term, at(9.5), Some(at(9.5))).is_some());
        assert_eq!(clocks.suspects(term, at(15.0), None), None, "it has not shown itself lately");
    }

    #[test]
    fn however_long_somebody_waits_requests_go_on() {
        let began = Instant::now();
        let term = term(began);
        let mut clocks = Watchdog::default();
        let asked = (1..120u32)
            .filter(|&half| clocks.suspects(term, began + half * SECOND / 2, Some(began)).is_some())
            .collect::<Vec<_>>();
        assert_eq!(asked[..4], [2, 4, 8, 16]);
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 10), "{asked:?}");
    }

    #[test]
    fn who_comes_later_does_not_pay_for_those_who_waited_in_vain() {
        let began = Instant::now();
        let term = term(began);
        let mut clocks = Watchdog::default();
        for seconds in 1..20 {
            clocks.suspects(term, began + seconds * SECOND, Some(began));
        }
        let comes = began + 30 * SECOND;
        assert_eq!(clocks.suspects(term, comes, Some(comes)), None);
        assert!(clocks.suspects(term, comes + PATIENCE, None).is_some());
        assert!(clocks.suspects(term, comes + PATIENCE + SECOND, Some(comes)).is_some(), "and its pauses begin anew");
    }

    #[test]
    fn who_has_waited_long_enough_already_need_not_be_seen_twice() {
        let began = Instant::now();
        let term = term(began);
        let mut clocks = Watchdog::default();
        assert!(clocks.suspects(term, began + 3 * SECOND, Some(began + 2 * SECOND)).is_some());
    }

    #[test]
    fn young_leases_are_not_suspected() {
        let began = Instant::now();
        let term = term(began);
        let mut clocks = Watchdog::default();
        assert_eq!(clocks.suspects(term, began, Some(began)), None);
        assert_eq!(clocks.suspects(term, began + PATIENCE, Some(began)), None);
        assert_eq!(clocks.next(term, began + BEAT), began + SECOND);
        assert!(clocks.suspects(term, began + SECOND, Some(began)).is_some());
    }
}
