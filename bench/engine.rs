//! The engine alone, piece by piece: `cargo bench`, or `cargo bench -- verdict`. bench.mjs measures what the pieces add
//! up to through Node and beside others.

#![expect(missing_docs, reason = "criterion's macros declare public functions")]

use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use leasehold::lock::identity::Identity;
use leasehold::lock::inspect::inspect;
use leasehold::lock::record::Claim;
use leasehold::lock::record::{Contents, OwnRecord};
use leasehold::lock::sys::{Life, OsLock};
use leasehold::lock::verdict::{Sighting, verdict};
use leasehold::lock::{Acquired, Hold, Sharing, Terms, acquire, acquire_blocking};

fn take(path: &Path, terms: &Terms) -> Hold {
    acquire_blocking(path, terms.clone()).expect("the lock")
}

fn locks(criterion: &mut Criterion) {
    // In the build directory: a temporary directory is often in memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path = directory.path().join("session.jsonl");
    let mut group = criterion.benchmark_group("lock");

    let terms = Terms::default();
    group.bench_function("uncontended", |bencher| bencher.iter(|| take(&path, &terms)));

    let kept_path = directory.path().join("kept.jsonl");
    let kept = Terms { keep_file: true, ..Terms::default() };
    group.bench_function("uncontended, file kept", |bencher| bencher.iter(|| take(&kept_path, &kept)));

    let shared = Terms {
        claim: Arc::new(Claim { sharing: Sharing::Owner("bench".into()), ..Claim::default() }),
        ..Terms::default()
    };
    let first = take(&path, &shared);
    group.bench_function("shared with a holder", |bencher| bencher.iter(|| take(&path, &shared)));
    drop(first);

    group.bench_function("queued and handed over", |bencher| {
        let (sender, receiver) = mpsc::channel();
        let mut hold = Some(take(&path, &terms));
        bencher.iter(|| {
            let sender = sender.clone();
            let settle = Box::new(move |settled| sender.send(settled).expect("a receiver"));
            let Ok(Acquired::Later(_ticket)) = acquire(&path, terms.clone(), settle) else { panic!("a queue") };
            drop(hold.take());
            hold = Some(inherited(&receiver));
        });
    });
    group.finish();

    let held = take(&path, &terms);
    criterion.bench_function("inspect", |bencher| bencher.iter(|| inspect(&path).expect("a look")));
    drop(held);
}

fn inherited(receiver: &mpsc::Receiver<Result<Hold, leasehold::lock::LockError>>) -> Hold {
    receiver.recv().expect("an answer").expect("the lock")
}

fn records(criterion: &mut Criterion) {
    let terms = Terms::default();
    let now = SystemTime::now();
    let record = || OwnRecord::new(&terms.claim, 1 << 60, true, now).renewed_at(now);
    let bytes = record().render(0);
    criterion.bench_function("record: make and render", |bencher| bencher.iter(|| record().render(0)));
    criterion.bench_function("record: parse", |bencher| bencher.iter(|| Contents::parse(black_box(&bytes))));
}

fn verdicts(criterion: &mut Criterion) {
    let us = Identity::of_this_process();
    let terms = Terms::default();
    let now = SystemTime::now();
    let native = Contents::parse(&OwnRecord::new(&terms.claim, 1, true, now).render(now, 0));
    let theirs = Contents::parse(br#"{ "pid": 7, "createdAt": "2026-01-01T00:00:00.000Z" }"#);
    let sighting = |os_lock, contents| Sighting { os_lock, contents, modified: now, unmoved: Duration::ZERO, now, us };
    let mut group = criterion.benchmark_group("verdict");
    let seen =
        [("held", OsLock::Busy, &native), ("dead", OsLock::Acquired, &native), ("js", OsLock::Acquired, &theirs)];
    for (name, os_lock, contents) in seen {
        let sighting = sighting(os_lock, contents);
        group.bench_function(name, |bencher| {
            bencher.iter(|| verdict(black_box(&sighting), &terms, |_| Life::Alive { start: None }));
        });
    }
    group.finish();
}

criterion_group!(engine, locks, records, verdicts);
criterion_main!(engine);
