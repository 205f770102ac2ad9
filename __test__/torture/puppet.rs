//! The engine on strings: it does one thing at a time as it is told, so that each of its system calls can be
//! made to fail, or to be its last. `puppet.mjs` holds the other end.
//!
//! Orders and answers are lines of JSON. They are read with `readv` and written with `writev`, which the engine
//! never calls: faults injected into the engine's reads and writes leave the strings alone.

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {
    eprintln!("it is known for Unix only");
    std::process::exit(1);
}

#[cfg(unix)]
mod unix {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use leasehold::json_store::{self, Durability, StoreError};
    use leasehold::lock::contender::{Contender, Look};
    use leasehold::lock::record::Claim;
    use leasehold::lock::registry::{self, Observer};
    use leasehold::lock::sidecar::Sidecar;
    use leasehold::lock::verdict::Cause;
    use leasehold::lock::{Acquired, Hold, LockError, Loss, Target, Terms, Ticket, acquire, acquire_blocking};
    use serde::Deserialize;
    use serde_json::{Value, json};

    /// What the puppet can be told to do. Locks go by the names that the orders give them.
    #[derive(Deserialize)]
    #[serde(tag = "do", rename_all = "kebab-case")]
    enum Order {
        /// Acquires a lock, and waits for it.
        Acquire { name: String, terms: Wanted },
        /// Requests a lock, and reports the outcome later.
        Request { name: String, terms: Wanted },
        /// Begins to contend for a lock file, without any thread.
        Contend { name: String, terms: Wanted },
        /// One look of such a contender.
        Look { name: String },
        /// Asks whether a lock is still held.
        Check { name: String },
        /// Gives back what it has under this name, however acquired.
        Release { name: String },
        /// Replaces a file as a whole.
        Write { path: PathBuf, text: String },
        /// How many files it has open, and what its threads are.
        Usage,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wanted {
        path: PathBuf,
        timeout_ms: Option<u64>,
        lease_ms: Option<u64>,
        stale_ms: Option<u64>,
        #[serde(default)]
        keep_file: bool,
    }

    impl Wanted {
        fn terms(&self) -> Terms {
            let mut terms = Terms { keep_file: self.keep_file, ..Terms::default() };
            terms.timeout = self.timeout_ms.map(Duration::from_millis).or(terms.timeout);
            terms.stale = self.stale_ms.map_or(terms.stale, Duration::from_millis);
            let lease = self.lease_ms.map_or(terms.claim.lease, Duration::from_millis);
            terms.claim = Claim { lease, ..(*terms.claim).clone() }.into();
            terms
        }
    }

    /// Our end of the strings.
    struct Strings {
        orders: File,
        answers: Mutex<File>,
    }

    impl Strings {
        fn say(&self, answer: &Value) {
            let line = format!("{answer}\n");
            let written = self.answers.lock().expect("nobody panics").write_vectored(&[IoSlice::new(line.as_bytes())]);
            assert_eq!(written.expect("somebody listens"), line.len());
        }

        /// The next order. It comes alone: each is given only once the one before is answered.
        fn next(&self) -> Option<Order> {
            let mut line = vec![0; 64 * 1024];
            let count = (&self.orders).read_vectored(&mut [IoSliceMut::new(&mut line)]).expect("somebody talks");
            (count > 0).then(|| serde_json::from_slice(&line[..count]).expect("an order"))
        }
    }

    impl Observer for Strings {
        fn lost(&self, loss: &Arc<Loss>) {
            self.say(&json!({ "event": "lost", "reason": loss.reason.name() }));
        }

        fn suspected(&self) {}

        fn not_removed(&self, error: &LockError) {
            self.say(&json!({ "event": "not-removed", "message": error.to_string() }));
        }
    }

    /// What the puppet has under one name.
    enum Thing {
        Hold(Hold),
        Contender(Box<Contender>, Box<Terms>),
        Sidecar(Box<Sidecar>, Box<Terms>),
    }

    type Things = Arc<Mutex<HashMap<String, Thing>>>;

    pub fn main() {
        let file = |fd: std::os::fd::BorrowedFd<'_>| File::from(fd.try_clone_to_owned().expect("a descriptor"));
        let strings = Arc::new(Strings {
            orders: file(std::io::stdin().as_fd()),
            answers: Mutex::new(file(std::io::stdout().as_fd())),
        });
        registry::observe(Terms::default().env, strings.clone());
        let things = Things::default();
        let mut tickets = Vec::new();
        while let Some(order) = strings.next() {
            let answer = obey(order, &strings, &things, &mut tickets);
            strings.say(&answer.unwrap_or_else(|error| failure(&error)));
        }
    }

    fn obey(
        order: Order,
        strings: &Arc<Strings>,
        things: &Things,
        tickets: &mut Vec<Arc<Ticket>>,
    ) -> Result<Value, LockError> {
        let take = |name: &str| things.lock().expect("nobody panics").remove(name);
        let keep = |name: String, thing| drop(things.lock().expect("nobody panics").insert(name, thing));
        Ok(match order {
            Order::Acquire { name, terms } => {
                let hold = acquire_blocking(&terms.path, terms.terms())?;
                let answer = held(&hold);
                keep(name, Thing::Hold(hold));
                answer
            }
            Order::Request { name, terms } => {
                let (strings, things) = (strings.clone(), things.clone());
                let settle = Box::new(move |settled: Result<Hold, LockError>| {
                    let outcome = settled.as_ref().map_or_else(failure, held);
                    if let Ok(hold) = settled {
                        things.lock().expect("nobody panics").insert(name, Thing::Hold(hold));
                    }
                    strings.say(&json!({ "event": "settled", "outcome": outcome }));
                });
                match acquire(&terms.path, terms.terms(), settle)? {
                    Acquired::Now(hold) => {
                        drop(hold);
                        json!({ "asked": false })
                    }
                    Acquired::Later(ticket) => {
                        tickets.push(ticket);
                        json!({ "asked": true })
                    }
                }
            }
            Order::Contend { name, terms } => {
                let target = Target::resolve(&terms.path)?;
                let contender = Contender::new(target);
                keep(name, Thing::Contender(Box::new(contender), Box::new(terms.terms())));
                json!({ "contends": true })
            }
            Order::Look { name } => {
                let Some(Thing::Contender(mut contender, terms)) = take(&name) else { return Ok(nothing(&name)) };
                match contender.look(&terms, None) {
                    Ok(Look::Taken { sidecar, from }) => {
                        let token = sidecar.token().to_string();
                        keep(name, Thing::Sidecar(Box::new(sidecar), terms));
                        json!({ "held": true, "token": token, "from": from.map(Cause::name) })
                    }
                    Ok(Look::Held { .. }) => {
                        keep(name, Thing::Contender(contender, terms));
                        json!({ "held": false })
                    }
                    Err(error) => {
                        keep(name, Thing::Contender(contender, terms));
                        return Err(error);
                    }
                }
            }
            Order::Check { name } => match things.lock().expect("nobody panics").get(&name) {
                Some(Thing::Hold(hold)) => hold.check().map(|()| json!({ "held": true }))?,
                _ => nothing(&name),
            },
            Order::Release { name } => match take(&name) {
                Some(Thing::Hold(hold)) => {
                    let (sender, receiver) = std::sync::mpsc::channel();
                    hold.release(move |released| drop(sender.send(released)));
                    receiver.recv().expect("a release is answered")?;
                    json!({ "released": true })
                }
                Some(Thing::Sidecar(sidecar, terms)) => match sidecar.release(&terms.claim) {
                    Ok(standing) => json!({ "released": true, "standing": format!("{standing:?}") }),
                    Err(leftover) => json!({ "message": leftover.error.to_string() }),
                },
                Some(Thing::Contender(..)) => json!({ "released": true }),
                None => nothing(&name),
            },
            Order::Write { path, text } => {
                match json_store::write(&Target::resolve(&path)?, text.as_bytes(), Durability::Disk, &|| Ok(())) {
                    Ok(()) => json!({ "written": true }),
                    Err(StoreError::Lock(error)) => return Err(error),
                    Err(error) => json!({ "message": error.to_string(), "code": error.code() }),
                }
            }
            Order::Usage => {
                let names = |directory: &str| {
                    let entries = std::fs::read_dir(directory).expect("/proc").flatten();
                    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
                };
                let threads: HashMap<_, _> = names("/proc/self/task")
                    .into_iter()
                    .filter_map(|id| {
                        let name = std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).ok()?;
                        Some((name.trim().to_owned(), id.parse::<u32>().ok()?))
                    })
                    .collect();
                // One of them was only open to count the others.
                json!({ "descriptors": names("/proc/self/fd").len() - 1, "threads": threads })
            }
        })
    }

    fn held(hold: &Hold) -> Value {
        let lease = hold.lease();
        json!({ "held": true, "token": lease.token.to_string(), "from": lease.taken_from.map(Cause::name) })
    }

    fn nothing(name: &str) -> Value {
        json!({ "message": format!("there is nothing called {name}") })
    }

    fn failure(error: &LockError) -> Value {
        let number = match error {
            LockError::Io { source, .. } | LockError::NotRemoved { source, .. } => source.raw_os_error(),
            _ => None,
        };
        json!({ "message": error.to_string(), "code": error.code(), "errno": number })
    }
}
