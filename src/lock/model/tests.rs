//! The promises hold in every state, and each rule is needed for one of them.
//!
//! `cargo test model` explores the small worlds; the large ones take minutes and some gigabytes:
//! `cargo test --release model -- --ignored --nocapture --test-threads=1`.

use std::time::Instant;

use super::rules::{BROKEN, FREE, SPARE, VAIN};
use super::{Clock, Model};

/// The number of states, or the promise that is broken and the shortest way there.
fn broken(model: &Model) -> Result<usize, (&'static str, String)> {
    let all = model.explore();
    if let Some(state) = all.broken {
        let promise = all.states[state as usize].broken.unwrap_or_default();
        return Err((promise, all.way_to(state).to_string()));
    }
    if model.troubles.is_some() {
        // Where time may stop passing, progress cannot be expected.
        return Ok(all.states.len());
    }
    if let Some(stuck) = model.stuck(&all) {
        let who = format!("{} while {:03b} are frozen", stuck.waiter, stuck.frozen);
        return Err((VAIN, format!("{who}\n{}", all.way_to(stuck.state))));
    }
    if let Some(stuck) = model.blocked(&all) {
        return Err((FREE, format!("{}\n{}", stuck.waiter, all.way_to(stuck.state))));
    }
    Ok(all.states.len())
}

fn keeps_its_promises(model: &Model) {
    let begun = Instant::now();
    match broken(model) {
        Ok(states) => eprintln!("{states} states in {:.1?}", begun.elapsed()),
        Err((promise, way)) => panic!("broken: {promise}\n{way}"),
    }
}

#[test]
fn two_natives_that_remove_their_lock_file() {
    keeps_its_promises(&Model::new(2));
}

#[test]
fn two_natives_that_keep_it() {
    keeps_its_promises(&Model { keepers: 0b11, ..Model::new(2) });
}

#[test]
fn one_that_keeps_it_and_one_that_does_not() {
    keeps_its_promises(&Model { keepers: 0b01, ..Model::new(2) });
}

#[test]
fn a_native_beside_a_js_peer() {
    for js_removes in [false, true] {
        keeps_its_promises(&Model { js: true, js_removes, leftovers: 1, ..Model::new(1) });
    }
}

#[test]
fn tokens_of_two_natives() {
    keeps_its_promises(&Model { clock: Clock::Honest, troubles: Some(1), ..Model::new(2) });
}

#[test]
#[ignore = "large"]
fn two_natives_with_leftovers() {
    keeps_its_promises(&Model { leftovers: 2, ..Model::new(2) });
    keeps_its_promises(&Model { leftovers: 1, keepers: 0b01, ..Model::new(2) });
}

#[test]
#[ignore = "large"]
fn two_natives_beside_a_js_peer() {
    for js_removes in [false, true] {
        keeps_its_promises(&Model { js: true, js_removes, troubles: Some(3), ..Model::new(2) });
    }
}

#[test]
#[ignore = "large"]
fn three_natives() {
    keeps_its_promises(&Model { troubles: Some(2), ..Model::new(3) });
}

#[test]
#[ignore = "large"]
fn tokens_of_two_natives_that_hand_over() {
    for keepers in [0, 0b11] {
        let troubles = Some(2);
        keeps_its_promises(&Model { clock: Clock::Honest, hands_over: true, keepers, troubles, ..Model::new(2) });
    }
}

#[test]
#[ignore = "large"]
fn tokens_by_a_clock_that_jumps() {
    let troubles = Some(1);
    keeps_its_promises(&Model { clock: Clock::Fickle, hands_over: true, troubles, ..Model::new(2) });
}

#[test]
fn each_rule_is_needed() {
    let mut surprises = Vec::new();
    for case in BROKEN {
        let model = Model { without: case.without, ..(case.model)() };
        match broken(&model) {
            Ok(states) => surprises.push(format!("nothing is broken in {states} states when {}", case.instead)),
            Err((promise, _)) if promise == case.promise => {}
            Err((promise, way)) => surprises.push(format!("when {}, this is: {promise}\n{way}", case.instead)),
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
#[ignore = "large"]
fn second_lines_are_no_more_than_that() {
    for (rule, what) in SPARE {
        let without = std::slice::from_ref(rule);
        for leftovers in [0, 1] {
            if let Err((promise, way)) = broken(&Model { leftovers, without, ..Model::new(2) }) {
                panic!("needed for {promise}: {what}\n{way}");
            }
        }
    }
}

#[test]
fn the_document_lists_every_rule() {
    let document = include_str!("../../../docs/model.md");
    for case in BROKEN {
        let row = format!("| {} | {} |", case.instead, case.promise);
        assert!(document.contains(&row), "docs/model.md lacks this row:\n{row}");
    }
    for (_, what) in SPARE {
        assert!(document.contains(what), "docs/model.md lacks this: {what}");
    }
}
